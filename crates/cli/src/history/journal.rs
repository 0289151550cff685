//! Writing down turns as they happen, for verbs that must not fail because of it.

use textport::Error;

use super::{Log, Place, Recorded, Turn};
use crate::settings::Settings;

/// Where the turns of one command go, if they go anywhere.
#[derive(Debug)]
pub(crate) struct Journal {
    place: Place,
    /// Neither the configuration, nor `logs off`, nor `--no-log` forbids it.
    wanted: bool,
    texts: bool,
    log: Option<Log>,
    conversation: Option<String>,
}

impl Journal {
    /// As the settings, `textport logs off` and `--no-log` have it.
    pub(crate) fn new(settings: &Settings, no_log: bool) -> Self {
        let place = Place::of(settings);
        let wanted = settings.config.log.enabled && !no_log && !place.switched_off();
        Self { place, wanted, texts: settings.config.log.prompts, log: None, conversation: None }
    }

    /// Goes on with this conversation, rather than beginning a new one with the next turn.
    pub(crate) fn go_on_with(&mut self, conversation: Option<String>) {
        self.conversation = conversation;
    }

    /// Whether what is said is kept anywhere.
    pub(crate) fn keeps_texts(&self) -> bool {
        self.wanted && self.texts
    }

    /// Records a turn, unless logging is off. The log is opened only now: an answer never waits
    /// for it. After a failure nothing more is logged, so that there is one warning and not many.
    ///
    /// # Errors
    /// When the log cannot be written; that is worth a warning and no more.
    pub(crate) fn record(&mut self, turn: &Turn<'_>) -> Result<Option<Recorded>, Error> {
        if !self.wanted {
            return Ok(None);
        }
        let texts = self.texts;
        let conversation = self.conversation.clone();
        let recorded = self.log().and_then(|log| log.record(conversation.as_deref(), turn, texts));
        match recorded {
            Ok(recorded) => {
                self.conversation = Some(recorded.conversation.clone());
                Ok(Some(recorded))
            }
            Err(error) => {
                self.wanted = false;
                Err(error)
            }
        }
    }

    /// Takes a turn out of the conversation, unless logging is off.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub(crate) fn undo(&mut self, recorded: &Recorded) -> Result<(), Error> {
        if self.wanted { self.log()?.undo(recorded) } else { Ok(()) }
    }

    fn log(&mut self) -> Result<&mut Log, Error> {
        match &mut self.log {
            Some(log) => Ok(log),
            none => Ok(none.insert(Log::open(&self.place)?)),
        }
    }
}
