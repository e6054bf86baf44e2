//! Adapter for any vendor that speaks the standard docking protocol SDP/1.
//!
//! The vendor says in its own config what a session allows; settings say what
//! holds where it says nothing. There is no vendor's vocabulary here: a vendor
//! that needs some is a crate of its own, such as `jiaxin`. Everything that
//! every vendor of SDP/1 does alike is in `kefu-sdp-core`.

mod activation;
mod defaults;
mod flavour;
mod settings;

pub use defaults::Defaults;
pub use flavour::Plain;
pub use settings::Settings;

/// The adapter that the plug-in exports.
pub type PlainAdapter = kefu_sdp_core::SdpAdapter<Plain>;

#[cfg(feature = "export")]
kefu_plugin_api::export_adapter!(PlainAdapter);
