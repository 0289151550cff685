//! Who is asked, and for how long.

use clap::Args;

use super::duration;

/// Who is asked, and for how long.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TargetArgs {
    /// Ask this provider of the configuration
    #[arg(short, long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Use this model: the provider's `model` setting, e.g. a name of the catalogue or a path
    #[arg(short, long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Give up after this long, loading included: 90, 30s, 2m, 1h30m
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds)]
    pub(crate) timeout: Option<f64>,
}
