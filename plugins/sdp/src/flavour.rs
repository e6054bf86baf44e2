//! SDP/1 as the document has it, with nothing added.

use kefu_plugin_api::prelude::{Descriptor, OpenError};
use kefu_sdp_core::{Account, Flavour, config::Config, translate::all_fields};

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
            visitor_fields: Some(all_fields()),
            ..Config::default()
        }
    }

    /// Everything is the vendor's to say; `defaults` fills in what it leaves
    /// unsaid.
    fn conditional(descriptor: Descriptor) -> Descriptor {
        let by_either = [
            "/robot",
            "/human",
            "/to_human",
            "/messages_while",
            "/leave_message",
            "/evaluation",
            "/exit",
            "/emoji",
        ];
        let by_vendor = descriptor.decided_by_vendor(&by_either);
        let by_either = by_either.iter().fold(by_vendor, |descriptor, part| {
            descriptor.decided_by_setting(part, "defaults")
        });
        by_either
            .decided_by_vendor(&["/groups"])
            .decided_by_setting("/visitor_fields", "visitor_fields")
    }
}
