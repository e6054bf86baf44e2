//! SDP/1 as the document has it, with nothing added.

use kefu_plugin_api::prelude::OpenError;
use kefu_sdp_core::{Account, Flavour, config::Config, translate::FIELDS};

use crate::settings::Settings;

/// The protocol without a flavour.
#[derive(Debug)]
pub struct Plain;

impl Flavour for Plain {
    type Settings = Settings;

    const ID: &'static str = "sdp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn account(settings: Settings) -> Result<Account, OpenError> {
        settings.try_into()
    }

    /// The defaults of the protocol's section 7.
    fn defaults() -> Config {
        Config {
            visitor_fields: Some(FIELDS.map(str::to_owned).into()),
            ..Config::default()
        }
    }
}
