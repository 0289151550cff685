//! Exit codes: one table for the process, the help text, the manual page and `doctor`.

use std::process::ExitCode;

use textport::ErrorKind;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Internal = 1,
    Usage = 2,
    Auth = 3,
    Quota = 4,
    Unavailable = 5,
    Timeout = 6,
    Refused = 7,
    Model = 8,
    Unsupported = 9,
    GateFailed = 100,
    Interrupted = 130,
    Terminated = 143,
}

/// Every code with its meaning, in order.
pub(crate) const TABLE: &[(Exit, &str)] = &[
    (Exit::Ok, "success; also when the reader of the output goes away early"),
    (Exit::Internal, "a fault of textport itself"),
    (Exit::Usage, "usage or configuration: a wrong flag, file, key, name or prompt"),
    (Exit::Auth, "no, wrong or insufficient credentials"),
    (Exit::Quota, "the quota is exhausted"),
    (Exit::Unavailable, "the provider cannot answer now: down, busy, unreachable, out of memory"),
    (Exit::Timeout, "it took too long"),
    (Exit::Refused, "the answer was withheld, or --extract found no code block in it"),
    (Exit::Model, "a model or another artifact is missing, damaged or of an unknown kind"),
    (Exit::Unsupported, "the provider does not support what was asked for"),
    (Exit::GateFailed, "an evaluation or comparison missed its gate"),
    (Exit::Interrupted, "interrupted (Ctrl-C)"),
    (Exit::Terminated, "terminated (SIGTERM)"),
];

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// The code that an error of this kind ends the process with.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidRequest
            | ErrorKind::ConfigInvalid
            | ErrorKind::ContextLengthExceeded => Exit::Usage,
            ErrorKind::Unauthenticated | ErrorKind::PermissionDenied => Exit::Auth,
            ErrorKind::QuotaExhausted => Exit::Quota,
            ErrorKind::RateLimited
            | ErrorKind::QueueFull
            | ErrorKind::Unavailable(_)
            | ErrorKind::Network
            | ErrorKind::Protocol
            | ErrorKind::OutOfMemory => Exit::Unavailable,
            ErrorKind::Timeout(_) => Exit::Timeout,
            ErrorKind::NotFound | ErrorKind::ModelLoad => Exit::Model,
            ErrorKind::Unsupported => Exit::Unsupported,
            ErrorKind::Cancelled => Exit::Interrupted,
            // A kind that this version does not know yet is nobody else's fault.
            _ => Exit::Internal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// The table as lines of text.
pub(crate) fn table() -> String {
    TABLE.iter().map(|(exit, meaning)| format!("  {:>3}  {meaning}\n", exit.code())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use textport::{TimeoutPhase, Unavailability};

    #[test]
    fn every_kind_has_the_documented_code() {
        let expected = [
            (ErrorKind::InvalidRequest, 2),
            (ErrorKind::ConfigInvalid, 2),
            (ErrorKind::ContextLengthExceeded, 2),
            (ErrorKind::Unauthenticated, 3),
            (ErrorKind::PermissionDenied, 3),
            (ErrorKind::QuotaExhausted, 4),
            (ErrorKind::RateLimited, 5),
            (ErrorKind::QueueFull, 5),
            (ErrorKind::Unavailable(Unavailability::Asleep), 5),
            (ErrorKind::Network, 5),
            (ErrorKind::Protocol, 5),
            (ErrorKind::OutOfMemory, 5),
            (ErrorKind::Timeout(TimeoutPhase::Total), 6),
            (ErrorKind::ModelLoad, 8),
            (ErrorKind::NotFound, 8),
            (ErrorKind::Unsupported, 9),
            (ErrorKind::Cancelled, 130),
            (ErrorKind::Internal, 1),
        ];
        for (kind, code) in expected {
            assert_eq!(Exit::of(kind).code(), code, "{kind:?}");
        }
    }

    #[test]
    fn the_table_is_complete_and_in_order() {
        let codes: Vec<u8> = TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 130, 143]);
    }
}
