//! Adapter for 小能 (Xiaoneng, ntalker): SDP/1 in the flavour `xiaoneng`.
//!
//! Xiaoneng publishes no server-to-server interface, so this adapter speaks the
//! gateway's own protocol with Xiaoneng's words and rules: a robot first, then
//! agents; messages for later are left in a form of the app; ratings by
//! visitors only where the vendor allows them; a visitor's leaving keeps the
//! session. Everything that every vendor of SDP/1 does alike is in
//! `kefu-sdp-core`.

mod activation;
mod flavour;
mod form;
mod settings;
mod words;

pub use flavour::Xiaoneng;
pub use settings::Settings;

/// The adapter that the plug-in exports.
pub type XiaonengAdapter = kefu_sdp_core::SdpAdapter<Xiaoneng>;

#[cfg(feature = "export")]
kefu_plugin_api::export_adapter!(XiaonengAdapter);
