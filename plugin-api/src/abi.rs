//! The exported module: the only thing that has a layout.
//!
//! Owns the few functions on byte slices that `abi_stable` carries across the
//! boundary, the panic guard behind each of them, and [`export_adapter!`].
//! Deliberately does not know what the bytes mean beyond [`wire`](crate::wire).
//! Invariant: no function here unwinds, and the layout never changes; whatever
//! grows, grows inside the bytes.
//!
//! [`export_adapter!`]: crate::export_adapter

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use abi_stable::{
    StableAbi,
    library::RootModule,
    sabi_types::VersionStrings,
    std_types::{RResult, RSlice, RVec},
};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    adapter::Adapter,
    descriptor::Descriptor,
    error::{AdapterError, FaultKind, OpenError},
    event::Event,
    http::Callback,
    session::{Session, SessionView},
    wire::{
        CONTRACT, HandleInput, HandleOutput, OpenInput, OpenOutput, ReceiveOutput, decode, encode,
    },
};

/// Bytes of the answer, or bytes of an [`AdapterError`].
pub type Answer = RResult<RVec<u8>, RVec<u8>>;

/// What a plug-in exports. Made by [`export_adapter!`](crate::export_adapter).
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = AdapterModuleRef)))]
#[sabi(missing_field(panic))]
pub struct AdapterModule {
    /// Major version of the contract it was built for.
    pub contract_major: u16,
    /// Minor version of the contract it was built for.
    pub contract_minor: u16,
    /// Whether it was built so that panics unwind; otherwise it is refused.
    pub panics_unwind: bool,
    /// The compiler it was built with, for operators.
    pub rustc: extern "C" fn() -> RVec<u8>,
    /// The [`Descriptor`].
    pub describe: extern "C" fn() -> Answer,
    /// [`OpenInput`] → [`OpenOutput`].
    pub open: for<'a> extern "C" fn(RSlice<'a, u8>) -> Answer,
    /// Forgets an open adapter.
    pub close: extern "C" fn(u64),
    /// [`Callback`] → [`ReceiveOutput`].
    pub receive: for<'a> extern "C" fn(u64, RSlice<'a, u8>) -> Answer,
    /// [`HandleInput`] → [`HandleOutput`].
    pub handle: for<'a> extern "C" fn(u64, RSlice<'a, u8>) -> Answer,
    /// Tries the open adapter on harmless input; an empty answer is success.
    pub self_test: extern "C" fn(u64) -> Answer,
    /// Whether a stored state can be read; an empty answer is success.
    #[sabi(last_prefix_field)]
    pub check_state: for<'a> extern "C" fn(RSlice<'a, u8>) -> Answer,
}

impl RootModule for AdapterModuleRef {
    abi_stable::declare_root_module_statics! {AdapterModuleRef}
    const BASE_NAME: &'static str = "kefu_adapter";
    const NAME: &'static str = "kefu_adapter";
    // The layout's version, frozen: the contract's version is data.
    const VERSION_STRINGS: VersionStrings = VersionStrings::new("1.0.0");
}

/// The open adapters of one plug-in: each has a number, so that a stale one is
/// an error and not undefined behaviour.
pub struct Instances<A> {
    open: RwLock<Option<HashMap<u64, Arc<Instance<A>>>>>,
    next: AtomicU64,
}

struct Instance<A> {
    adapter: A,
    /// Kept here because a descriptor is too much to build at every call.
    version: String,
}

impl<A> Default for Instances<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A> Instances<A> {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            open: RwLock::new(None),
            next: AtomicU64::new(1),
        }
    }

    fn insert(&self, adapter: A, version: String) -> u64 {
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.get_or_insert_default()
            .insert(handle, Arc::new(Instance { adapter, version }));
        handle
    }

    fn remove(&self, handle: u64) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        let removed = open.as_mut().and_then(|open| open.remove(&handle));
        // The adapter's own destructor runs outside the lock.
        drop(open);
        drop(removed);
    }

    fn find(&self, handle: u64) -> Result<Arc<Instance<A>>, AdapterError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.as_ref()
            .and_then(|open| open.get(&handle))
            .cloned()
            .ok_or_else(|| AdapterError {
                kind: FaultKind::Closed,
                detail: format!("no adapter is open under {handle}"),
            })
    }
}

/// The functions behind the module, each with its guard. Called by the code
/// that `export_adapter!` writes, and by the test harness, so that tests go
/// through the same encoding.
pub mod shim {
    use super::*;

    /// [`AdapterModule::describe`]
    pub fn describe<A: Adapter>() -> Answer {
        guarded(|| encode(&full_descriptor::<A>()))
    }

    /// [`AdapterModule::open`]
    pub fn open<A: Adapter>(instances: &Instances<A>, input: &[u8]) -> Answer {
        guarded(|| {
            let input: OpenInput = decode(input)?;
            let opened = read_settings::<A::Config>(input.settings).and_then(A::open);
            encode(&match opened {
                Ok(adapter) => {
                    let version = A::descriptor().version;
                    OpenOutput::Opened {
                        handle: instances.insert(adapter, version),
                    }
                }
                Err(error) => OpenOutput::Refused { error },
            })
        })
    }

    /// [`AdapterModule::close`]
    pub fn close<A: Adapter>(instances: &Instances<A>, handle: u64) {
        // A destructor that panics must not unwind out of here either.
        let _ = catch_unwind(AssertUnwindSafe(|| instances.remove(handle)));
    }

    /// [`AdapterModule::receive`]
    pub fn receive<A: Adapter>(instances: &Instances<A>, handle: u64, input: &[u8]) -> Answer {
        guarded(|| {
            let callback: Callback = decode(input)?;
            encode(&match instances.find(handle)?.adapter.receive(&callback) {
                Ok(receipt) => ReceiveOutput::Accepted { receipt },
                Err(reject) => ReceiveOutput::Rejected { reject },
            })
        })
    }

    /// [`AdapterModule::handle`]
    pub fn handle<A: Adapter>(instances: &Instances<A>, handle: u64, input: &[u8]) -> Answer {
        guarded(|| {
            let HandleInput {
                event,
                session,
                state,
                state_version,
            } = decode(input)?;
            let instance = instances.find(handle)?;
            let mut session = Session::new(session, read_state::<A>(&state, &state_version)?);
            let effects = instance.adapter.handle(event, &mut session)?;
            let (state, notes) = session.into_parts();
            encode(&HandleOutput {
                effects,
                state: encode(&state)?,
                state_version: instance.version.clone(),
                notes,
            })
        })
    }

    /// [`AdapterModule::self_test`]
    pub fn self_test<A: Adapter>(instances: &Instances<A>, handle: u64) -> Answer {
        guarded(|| {
            let instance = instances.find(handle)?;
            let descriptor = full_descriptor::<A>();
            if descriptor.id.is_empty() || !descriptor.carries_something() {
                return Err(AdapterError::internal(
                    "the descriptor has no id or carries nothing",
                ));
            }
            read_state::<A>(&encode(&A::State::default())?, &descriptor.version)?;
            let mut session = Session::new(SessionView::default(), A::State::default());
            let effects = instance.adapter.handle(Event::Unknown, &mut session)?;
            if !effects.is_empty() {
                return Err(AdapterError::internal("an unknown event was not ignored"));
            }
            Ok(Vec::new())
        })
    }

    /// [`AdapterModule::check_state`]
    pub fn check_state<A: Adapter>(state: &[u8]) -> Answer {
        guarded(|| read_state::<A>(state, "").map(|_| Vec::new()))
    }

    /// Says which setting is of the wrong kind; what it holds may be a secret.
    fn read_settings<C: DeserializeOwned>(settings: Value) -> Result<C, OpenError> {
        serde_path_to_error::deserialize(settings).map_err(|error| {
            let path = error.path().to_string();
            OpenError {
                setting: (path != ".").then_some(path),
                detail: without_value(&error.into_inner().to_string()),
            }
        })
    }

    /// The words of a deserializer without the value that it found: those of
    /// serde put it between the kind and what was expected.
    pub(super) fn without_value(words: &str) -> String {
        let bare = || {
            let (wrong, rest) = words.split_once(": ")?;
            if !matches!(wrong, "invalid type" | "invalid value") {
                return None;
            }
            let (found, expected) = rest.rsplit_once(", expected ")?;
            let kind = found.split([' ', '`', '"']).next()?;
            Some(format!("{wrong}: {kind}, expected {expected}"))
        };
        bare().unwrap_or_else(|| words.to_owned())
    }

    #[allow(
        clippy::unnecessary_min_or_max,
        reason = "says nothing only while the minor version is 0"
    )]
    fn full_descriptor<A: Adapter>() -> Descriptor {
        let mut descriptor = A::descriptor();
        descriptor.settings = schemars::schema_for!(A::Config);
        descriptor.contract_minor = descriptor.contract_minor.min(CONTRACT.minor);
        descriptor
    }

    /// Empty or nil means `Default`.
    fn read_state<A: Adapter>(bytes: &[u8], version: &str) -> Result<A::State, AdapterError> {
        const NIL: u8 = 0xc0;
        if bytes.is_empty() || bytes == [NIL] && size_of::<A::State>() > 0 {
            return Ok(A::State::default());
        }
        decode(bytes).map_err(|error| AdapterError {
            kind: FaultKind::State,
            detail: format!("written by version `{version}`: {}", error.detail),
        })
    }

    /// Turns errors into bytes and panics into errors: nothing unwinds past
    /// here.
    fn guarded(call: impl FnOnce() -> Result<Vec<u8>, AdapterError>) -> Answer {
        let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
            let detail = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "a panic without text".to_owned());
            // A payload may panic again when it is dropped.
            std::mem::forget(panic);
            Err(AdapterError {
                kind: FaultKind::Panic,
                detail,
            })
        });
        match result {
            Ok(bytes) => RResult::ROk(bytes.into()),
            Err(error) => RResult::RErr(encode(&error).unwrap_or_default().into()),
        }
    }
}

/// Exports an adapter as the root module of a plug-in.
///
/// The crate must be a `cdylib` and depend on `abi_stable` itself, because the
/// attribute that exports a module expands to absolute paths.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ty) => {
        $crate::export_adapter!($adapter, contract = $crate::wire::CONTRACT);
    };
    ($adapter:ty, contract = $contract:expr) => {
        #[doc(hidden)]
        mod kefu_export {
            use super::*;
            use ::abi_stable::{
                export_root_module,
                prefix_type::PrefixTypeTrait,
                std_types::{RSlice, RVec},
            };
            use $crate::abi::{AdapterModule, AdapterModuleRef, Answer, Instances, shim};

            static OPEN: Instances<$adapter> = Instances::new();

            #[export_root_module]
            fn module() -> AdapterModuleRef {
                AdapterModule {
                    contract_major: $contract.major,
                    contract_minor: $contract.minor,
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
                $crate::abi::RUSTC.as_bytes().to_vec().into()
            }
            extern "C" fn describe() -> Answer {
                shim::describe::<$adapter>()
            }
            extern "C" fn open(input: RSlice<'_, u8>) -> Answer {
                shim::open(&OPEN, input.as_slice())
            }
            extern "C" fn close(handle: u64) {
                shim::close(&OPEN, handle);
            }
            extern "C" fn receive(handle: u64, input: RSlice<'_, u8>) -> Answer {
                shim::receive(&OPEN, handle, input.as_slice())
            }
            extern "C" fn handle(handle: u64, input: RSlice<'_, u8>) -> Answer {
                shim::handle(&OPEN, handle, input.as_slice())
            }
            extern "C" fn self_test(handle: u64) -> Answer {
                shim::self_test(&OPEN, handle)
            }
            extern "C" fn check_state(state: RSlice<'_, u8>) -> Answer {
                shim::check_state::<$adapter>(state.as_slice())
            }
        }
    };
}

/// The compiler that built this crate, as `rustc --version` prints it.
pub const RUSTC: &str = env!("KEFU_RUSTC");

#[cfg(test)]
mod tests {
    use super::shim::without_value;

    #[test]
    fn a_setting_of_the_wrong_kind_is_told_without_what_it_holds() {
        for (words, told) in [
            (
                "invalid type: string \"hunter2, expected b\", expected u64",
                "invalid type: string, expected u64",
            ),
            (
                "invalid type: integer `1234`, expected a string",
                "invalid type: integer, expected a string",
            ),
            (
                "invalid value: string \"x: y\", expected an address",
                "invalid value: string, expected an address",
            ),
            (
                "invalid type: map, expected a string",
                "invalid type: map, expected a string",
            ),
            ("missing field `key`", "missing field `key`"),
        ] {
            assert_eq!(without_value(words), told);
        }
    }
}
