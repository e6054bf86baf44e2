//! Providers whose adapter is a closure, for tests of what calls adapters.

use std::{fmt, path::PathBuf, sync::Arc};

use kefu_core::config::{Isolation, NoLookup, Provider, Rollback, check_provider};
use kefu_plugin_api::{
    capability::Level,
    descriptor::Descriptor,
    http::Callback,
    message::ContentKind,
    wire::{CONTRACT, HandleInput, HandleOutput, ReceiveOutput, decode, encode},
};

use super::Registry;
use crate::plugin::{
    About, Fault, FaultKind, Function, Generation, OutputLimits,
    opened::{Bytes, Opened},
    slot::Swap,
};

/// What the adapter does in a turn.
pub(crate) type OnHandle = Box<dyn Fn(HandleInput) -> Result<HandleOutput, Fault> + Send + Sync>;
/// What it does with a callback.
pub(crate) type OnReceive = Box<dyn Fn(Callback) -> Result<ReceiveOutput, Fault> + Send + Sync>;

struct Fake {
    isolation: Isolation,
    on_handle: OnHandle,
    on_receive: OnReceive,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fake")
    }
}

impl Opened for Fake {
    fn call(&self, function: Function, input: &[u8]) -> Result<Bytes, Fault> {
        let broken = |error| Fault::new(FaultKind::BadOutput, format!("{error:?}"));
        let output = match function {
            Function::Handle => {
                let input = decode(input).map_err(broken)?;
                encode(&(self.on_handle)(input)?)
            }
            Function::Receive => {
                let input = decode(input).map_err(broken)?;
                encode(&(self.on_receive)(input)?)
            }
            Function::SelfTest | Function::CheckState => return Ok(Bytes::Own(Vec::new())),
        };
        output.map(Bytes::Own).map_err(broken)
    }

    fn isolation(&self) -> Isolation {
        self.isolation
    }
}

/// Puts a closure into service.
pub(crate) fn serve(
    registry: &Registry,
    id: &str,
    on_handle: impl Fn(HandleInput) -> Result<HandleOutput, Fault> + Send + Sync + 'static,
) {
    let refuses = |_| Err(Fault::new(FaultKind::Adapter, "no callback was expected"));
    serve_all(registry, id, Box::new(on_handle), Box::new(refuses));
}

/// The same, with what it does with callbacks.
pub(crate) fn serve_all(registry: &Registry, id: &str, on_handle: OnHandle, on_receive: OnReceive) {
    let descriptor = Descriptor::new(id, "1.0.0").supports(ContentKind::Text, Level::Full);
    serve_described(registry, id, descriptor, on_handle, on_receive);
}

/// The same, with what it says about itself.
pub(crate) fn serve_described(
    registry: &Registry,
    id: &str,
    descriptor: Descriptor,
    on_handle: OnHandle,
    on_receive: OnReceive,
) {
    let provider = Arc::new(provider(id));
    let slot = registry.declare(&provider);
    let about = About {
        descriptor: Arc::new(descriptor),
        contract: CONTRACT,
        rustc: String::new(),
        sha256: format!("{id}-{}", slot.next_number()),
        copy: PathBuf::new(),
        size: 0,
    };
    let fake = Fake {
        isolation: Isolation::InProcess,
        on_handle,
        on_receive,
    };
    let generation = Generation::of(
        Box::new(fake),
        Arc::new(about),
        id.into(),
        slot.next_number(),
        OutputLimits::default(),
    );
    let rule = Rollback {
        sessions: 0,
        within: std::time::Duration::ZERO,
    };
    slot.swap(generation, provider, Swap::Replace(rule));
}

fn provider(id: &str) -> Provider {
    let text = format!("id = \"{id}\"\nplugin = \"libkefu_{id}.so\"\n");
    check_provider(&format!("{id}.toml"), &text, &NoLookup)
        .expect("it is a valid provider")
        .settings
}
