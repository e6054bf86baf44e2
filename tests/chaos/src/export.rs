//! The exported module, written by hand where `export_adapter!` would do.
//!
//! Owns what no adapter can do through the contract: an answer that is no
//! MessagePack, an effect that nobody knows yet, a claim about the contract
//! that is not true. Everything else goes through the same shim as in a good
//! adapter. Invariant: an answer is put in the place of another only in the
//! call that asked for it.

use std::cell::Cell;

use abi_stable::std_types::{
    RResult::{RErr, ROk},
    RSlice, RVec,
};
use kefu_plugin_api::{
    abi::{Answer, Instances, RUSTC, shim},
    descriptor::Descriptor,
    wire::{CONTRACT, Contract, decode, encode},
};
use serde_json::{Value, json};

use crate::Chaos;

/// What this build says it was built for.
const CLAIM: Contract = Contract {
    major: CONTRACT.major + cfg!(feature = "newer-major") as u16,
    minor: CONTRACT.minor + cfg!(any(feature = "newer-minor", feature = "needs-newer")) as u16,
};

/// What is answered instead of what the adapter said.
#[derive(Clone, Copy, Default)]
pub(crate) enum Instead {
    #[default]
    Nothing,
    /// Bytes that begin no value.
    Garbage,
    /// An effect of a contract that is not written yet.
    NewerEffect,
    /// A kind of content and a capability of such a contract.
    NewerCapability,
}

thread_local! {
    static INSTEAD: Cell<Instead> = const { Cell::new(Instead::Nothing) };
}

impl Instead {
    /// Decides the answer of the call that is under way in this thread.
    pub(crate) fn answer(self) {
        INSTEAD.set(self);
    }

    fn bytes(self) -> Option<Vec<u8>> {
        /// The one byte that MessagePack never uses.
        const NEVER_USED: u8 = 0xc1;
        let value = match self {
            Self::Nothing => return None,
            Self::Garbage => return Some(vec![NEVER_USED; 64]),
            Self::NewerEffect => json!({"effects": [{"type": "send_flowers", "to": "agent"}]}),
            Self::NewerCapability => json!({"effects": [{
                "type": "capabilities",
                "capabilities": newer(json!({"robot": {"text": "full"}, "human": {"text": "full"}})),
            }]}),
        };
        encode(&value).ok()
    }
}

/// Adds what only a later contract knows.
fn newer(mut capabilities: Value) -> Value {
    capabilities["teleport"] = json!({"from": "anywhere"});
    capabilities["robot"]["hologram"] = "full".into();
    capabilities
}

/// Calls, and then answers what the call asked to be answered.
fn crooked(call: impl FnOnce() -> Answer) -> Answer {
    INSTEAD.take();
    let honest = call();
    match INSTEAD.take().bytes() {
        Some(bytes) if honest.is_ok() => ROk(bytes.into()),
        _ => honest,
    }
}

/// A descriptor that says more than today's contract can.
fn embellished(honest: Answer) -> Answer {
    let ROk(bytes) = honest else {
        return honest;
    };
    let written = decode::<Descriptor>(&bytes).and_then(|descriptor| {
        let mut value = serde_json::to_value(descriptor).unwrap_or_default();
        value["capabilities"] = newer(value["capabilities"].take());
        value["slogan"] = "from a later contract".into();
        value["contract_minor"] = (cfg!(feature = "needs-newer") as u16).into();
        encode(&value)
    });
    match written {
        Ok(bytes) => ROk(bytes.into()),
        Err(error) => RErr(encode(&error).unwrap_or_default().into()),
    }
}

static OPEN: Instances<Chaos> = Instances::new();

#[cfg(not(any(feature = "other-layout", feature = "no-export")))]
#[abi_stable::export_root_module]
fn module() -> kefu_plugin_api::abi::AdapterModuleRef {
    use abi_stable::prefix_type::PrefixTypeTrait;
    kefu_plugin_api::abi::AdapterModule {
        contract_major: CLAIM.major,
        contract_minor: CLAIM.minor,
        panics_unwind: cfg!(panic = "unwind"),
        rustc,
        describe,
        open,
        close,
        receive,
        handle,
        self_test,
        check_state,
    }
    .leak_into_prefix()
}

extern "C" fn rustc() -> RVec<u8> {
    RUSTC.as_bytes().to_vec().into()
}

extern "C" fn describe() -> Answer {
    let honest = shim::describe::<Chaos>();
    if cfg!(any(feature = "newer-minor", feature = "needs-newer")) {
        return embellished(honest);
    }
    honest
}

extern "C" fn open(input: RSlice<'_, u8>) -> Answer {
    crooked(|| shim::open(&OPEN, input.as_slice()))
}

extern "C" fn close(handle: u64) {
    shim::close(&OPEN, handle);
}

extern "C" fn receive(handle: u64, input: RSlice<'_, u8>) -> Answer {
    crooked(|| shim::receive(&OPEN, handle, input.as_slice()))
}

extern "C" fn handle(handle: u64, input: RSlice<'_, u8>) -> Answer {
    crooked(|| shim::handle(&OPEN, handle, input.as_slice()))
}

extern "C" fn self_test(handle: u64) -> Answer {
    shim::self_test(&OPEN, handle)
}

extern "C" fn check_state(state: RSlice<'_, u8>) -> Answer {
    shim::check_state::<Chaos>(state.as_slice())
}
