//! Adapter for 佳信 (Jiaxin): SDP/1 in the flavour `jiaxin`.
//!
//! Jiaxin publishes no server-to-server interface, so this adapter speaks the
//! gateway's own protocol with Jiaxin's words and rules: a robot first, then
//! agents; ratings on invitation only; a visitor's leaving keeps the session.
//! Everything that every vendor of SDP/1 does alike is in `kefu-sdp-core`.

mod activation;
mod flavour;
mod settings;

pub use flavour::Jiaxin;
pub use settings::Settings;

/// The adapter that the plug-in exports.
pub type JiaxinAdapter = kefu_sdp_core::SdpAdapter<Jiaxin>;

#[cfg(feature = "export")]
kefu_plugin_api::export_adapter!(JiaxinAdapter);
