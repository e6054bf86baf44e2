//! A root module of another layout under the name the host looks for.
//!
//! Owns nothing but a wrong shape: the same exported symbol and module name,
//! other fields. A host that checks layouts refuses it before calling anything.

use abi_stable::{
    StableAbi, export_root_module, library::RootModule, prefix_type::PrefixTypeTrait,
    sabi_types::VersionStrings,
};

/// Looks like the adapters' root module by name only.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = OtherModuleRef)))]
#[sabi(missing_field(panic))]
pub struct OtherModule {
    /// Where the real module has a major version of 16 bits.
    pub contract_major: u64,
    /// Takes no input and gives no answer.
    #[sabi(last_prefix_field)]
    pub handle: extern "C" fn(),
}

impl RootModule for OtherModuleRef {
    abi_stable::declare_root_module_statics! {OtherModuleRef}
    const BASE_NAME: &'static str = "kefu_adapter";
    const NAME: &'static str = "kefu_adapter";
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}

#[export_root_module]
fn module() -> OtherModuleRef {
    OtherModule {
        contract_major: 1,
        handle,
    }
    .leak_into_prefix()
}

extern "C" fn handle() {}
