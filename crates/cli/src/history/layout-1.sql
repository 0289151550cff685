-- The log's first layout. Times are milliseconds since the epoch, in UTC.
CREATE TABLE conversations (
    id       TEXT PRIMARY KEY,
    created  INTEGER NOT NULL,
    updated  INTEGER NOT NULL,
    provider TEXT NOT NULL,
    model    TEXT,
    title    TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX conversations_by_update ON conversations (updated);

CREATE TABLE turns (
    id               INTEGER PRIMARY KEY,
    conversation     TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    seq              INTEGER NOT NULL,
    created          INTEGER NOT NULL,
    provider         TEXT NOT NULL,
    served_by        TEXT,
    model            TEXT,
    raw              INTEGER NOT NULL, -- 1: the prompt went without the chat template
    system           TEXT,
    prompt           TEXT,             -- texts are null when only counts are kept
    options          TEXT NOT NULL,    -- JSON
    response         TEXT,
    reasoning        TEXT,
    prompt_chars     INTEGER NOT NULL,
    response_chars   INTEGER NOT NULL,
    finish_reason    TEXT,
    error_kind       TEXT,             -- "cancelled": the user cut the answer short
    input_tokens     INTEGER,
    output_tokens    INTEGER,
    reasoning_tokens INTEGER,
    cached_tokens    INTEGER,
    timings          TEXT NOT NULL,    -- JSON, seconds
    undone           INTEGER NOT NULL DEFAULT 0,
    UNIQUE (conversation, seq)
) STRICT;

CREATE VIRTUAL TABLE turns_text USING fts5 (
    prompt, response, content = 'turns', content_rowid = 'id',
    tokenize = 'unicode61 remove_diacritics 2'
);
-- Deleted texts leave the index at once, not at its next merge.
INSERT INTO turns_text (turns_text, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER turns_text_insert AFTER INSERT ON turns BEGIN
    INSERT INTO turns_text (rowid, prompt, response) VALUES (new.id, new.prompt, new.response);
END;
CREATE TRIGGER turns_text_delete AFTER DELETE ON turns BEGIN
    INSERT INTO turns_text (turns_text, rowid, prompt, response)
    VALUES ('delete', old.id, old.prompt, old.response);
END;
