//! The inside of a child: load one plug-in, open it, take calls.
//!
//! Owns the order in which a child gives its rights away. Deliberately hands
//! nothing from thread to thread: whichever is free reads the next frame, calls
//! the adapter and answers. Invariants: no code of the plug-in runs before the
//! first filter is in place, none but its initialisers before the second; the
//! child ends with its gateway, whether by the parent-death signal or by the
//! end of the socket.

use std::{
    fs,
    io::{self, IoSlice, Read, Stdin, Write},
    os::fd::AsFd,
    process,
    sync::{Arc, Barrier, Mutex, OnceLock, PoisonError},
    thread,
};

use abi_stable::std_types::RSlice;
use kefu_plugin_api::{
    abi::AdapterModuleRef,
    wire::{CONTRACT, OpenInput, OpenOutput},
};
use rustix::process::{Resource, Rlimit, Signal};

use super::{
    frame::{self, Frame, FrameReader, Kind},
    hello::{self, Described, Load, Refused},
    landlock,
    sandbox::{self, Phase},
    trap,
};
use crate::plugin::{OpenFault, Stage, image, loader, opened};

/// How a child ends that was not started by a gateway, or lost it.
const ORPHANED: i32 = 3;
/// How a child ends that cannot read what it is sent.
const CONFUSED: i32 = 4;
/// How a child ends whose own code, not the adapter's, panicked.
const PANICKED: i32 = 5;

/// Bytes of the largest frame that a child takes.
pub(super) const MOST_INPUT: usize = 64 << 20;

/// Open files while a plug-in is loaded: a library is closed once it is mapped.
const FILES: u64 = 32;

/// Runs a child of the gateway with that process number, with the socket on
/// standard input. Does not return.
pub fn serve(parent: u32) -> ! {
    // Whatever the gateway inherited and does not know of is no plug-in's.
    if let Err(error) = landlock::close_inherited() {
        complain(&format!("cannot close inherited files: {error}"));
        trap::leave(ORPHANED);
    }
    belong_to(parent);
    std::panic::set_hook(Box::new(|info| {
        // One line and nothing else: std's own hook may read files.
        complain(&format!("{info}").replace('\n', " "));
        trap::leave(PANICKED);
    }));
    let mut reader = FrameReader::new(Socket(io::stdin()), MOST_INPUT);
    let load = first(&mut reader);
    let go = Arc::new(OnceLock::new());
    let refused = match prepare(&load, &go) {
        Ok((root, handle)) => {
            let service = Service {
                root,
                handle,
                most: load.most,
                reader: Mutex::new(reader),
                writer: Mutex::new(Socket(io::stdin())),
            };
            tell(Kind::SelfTested, &[]);
            go.get_or_init(|| service).run()
        }
        Err(refused) => refused,
    };
    tell(Kind::Refused, &hello::encode(&refused).unwrap_or_default());
    trap::leave(0)
}

/// Ends with the gateway from now on, also if it ended a moment ago.
fn belong_to(parent: u32) {
    let armed = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let found = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if armed.is_err() || found.and_then(|pid| u32::try_from(pid).ok()) != Some(parent) {
        complain(&format!(
            "expected to be started by the gateway with process number {parent}"
        ));
        trap::leave(ORPHANED);
    }
}

fn first(reader: &mut FrameReader<Socket>) -> Load {
    let frame = next(reader);
    if frame.kind != Kind::Load {
        confused(&format!(
            "expected an order to load, found {:?}",
            frame.kind
        ));
    }
    hello::decode(&frame.payload).unwrap_or_else(|error| confused(&error.to_string()))
}

/// Everything up to the first call. Threads that will serve are started after
/// the rules about files, which they inherit, and before the first filter,
/// because none may be started after it.
fn prepare(load: &Load, go: &Arc<OnceLock<Service>>) -> Result<(AdapterModuleRef, u64), Refused> {
    let refused = |stage, text: String| Refused { stage, text };
    let locked = |text: String| refused(Stage::Load, format!("the child cannot be locked: {text}"));
    limit(load).map_err(|error| locked(error.to_string()))?;
    let files_restricted =
        landlock::allow_only_libraries(&load.copy).map_err(|error| locked(error.to_string()))?;
    start_threads(load.threads, go).map_err(|error| locked(error.to_string()))?;
    trap::install().map_err(|error| locked(error.to_string()))?;
    sandbox::enter(Phase::Loading).map_err(locked)?;
    check_copy(load).map_err(|text| refused(Stage::Load, text))?;
    let mapped = loader::map(&load.copy).map_err(|why| refused(Stage::Load, why.to_string()))?;
    sandbox::enter(Phase::Serving).map_err(locked)?;
    tell(Kind::Loaded, &[]);
    let (root, described) =
        describe(mapped, files_restricted).map_err(|text| refused(Stage::Describe, text))?;
    tell(Kind::Described, &described);
    let handle = open(root, load).map_err(|fault| refused(Stage::Open, fault.to_string()))?;
    tell(Kind::Opened, &[]);
    opened::judge(root.self_test()(handle), load.most)
        .map_err(|fault| refused(Stage::SelfTest, OpenFault::SelfTest(fault).to_string()))?;
    Ok((root, handle))
}

/// No memory beyond the limit, no core dump (it would hold secrets), no file
/// written, few files open.
fn limit(load: &Load) -> rustix::io::Result<()> {
    let set = |resource, most| {
        let most = Some(most);
        let new = Rlimit {
            current: most,
            maximum: most,
        };
        rustix::process::setrlimit(resource, new)
    };
    set(Resource::Core, 0)?;
    set(Resource::Fsize, 0)?;
    set(Resource::Nofile, FILES)?;
    set(Resource::Data, load.memory)?;
    load.cpu_seconds
        .map_or(Ok(()), |seconds| set(Resource::Cpu, seconds))
}

/// Starts all threads but this one, and waits until each has made the system
/// calls that a beginning thread makes.
fn start_threads(threads: usize, go: &Arc<OnceLock<Service>>) -> io::Result<()> {
    let begun = Arc::new(Barrier::new(threads.max(1)));
    for number in 1..threads {
        let (begun, go) = (Arc::clone(&begun), Arc::clone(go));
        thread::Builder::new()
            .name(format!("adapter-{number}"))
            .spawn(move || {
                begun.wait();
                go.wait().run()
            })?;
    }
    begun.wait();
    Ok(())
}

/// What is loaded is what was judged.
fn check_copy(load: &Load) -> Result<(), String> {
    let copy = load.copy.display();
    let bytes = fs::read(&load.copy).map_err(|error| format!("cannot read {copy}: {error}"))?;
    let found = image::sha256(&bytes);
    if found == load.sha256 {
        return Ok(());
    }
    Err(format!(
        "expected {copy} to have the SHA-256 {}, found {found}",
        load.sha256
    ))
}

fn describe(
    mapped: loader::Mapped,
    files_restricted: bool,
) -> Result<(AdapterModuleRef, Vec<u8>), String> {
    let text = |refusal: crate::plugin::Refusal| refusal.to_string();
    let root = mapped.root().map_err(text)?;
    let contract = loader::check_contract(root).map_err(text)?;
    let descriptor = loader::describe(root).map_err(text)?;
    let rustc = String::from_utf8_lossy(root.rustc()().as_slice()).into_owned();
    let described = hello::encode(&Described {
        descriptor,
        contract,
        rustc,
        files_restricted,
    })?;
    Ok((root, described))
}

fn open(root: AdapterModuleRef, load: &Load) -> Result<u64, OpenFault> {
    let input = kefu_plugin_api::wire::encode(&OpenInput {
        settings: load.settings.clone(),
        host: CONTRACT,
    })
    .map_err(|error| OpenFault::Broken(error.into()))?;
    let answer = root.open()(RSlice::from_slice(&input));
    let answer = opened::judge(answer, load.most).map_err(OpenFault::Broken)?;
    match kefu_plugin_api::wire::decode(&answer) {
        Ok(OpenOutput::Opened { handle }) => Ok(handle),
        Ok(OpenOutput::Refused { error }) => Err(OpenFault::Refused(error)),
        Err(error) => Err(OpenFault::Broken(error.into())),
    }
}

/// An adapter that takes calls.
struct Service {
    root: AdapterModuleRef,
    handle: u64,
    most: usize,
    reader: Mutex<FrameReader<Socket>>,
    writer: Mutex<Socket>,
}

impl Service {
    /// What every thread does until the socket ends.
    fn run(&self) -> ! {
        loop {
            let frame = {
                let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
                next(&mut reader)
            };
            self.answer(&frame);
        }
    }

    fn answer(&self, frame: &Frame) {
        let input = RSlice::from_slice(&frame.payload);
        let answer = match frame.kind {
            Kind::Handle => self.root.handle()(self.handle, input),
            Kind::Receive => self.root.receive()(self.handle, input),
            Kind::SelfTest => self.root.self_test()(self.handle),
            Kind::CheckState => self.root.check_state()(input),
            other => confused(&format!("expected a call, found {other:?}")),
        };
        let (kind, bytes) = match answer.into_result() {
            Ok(bytes) => (Kind::Answer, bytes),
            Err(bytes) => (Kind::Failed, bytes),
        };
        if bytes.len() > self.most {
            let found = (bytes.len() as u64).to_le_bytes();
            return self.send(frame.id, Kind::TooLarge, &found);
        }
        self.send(frame.id, kind, &bytes);
    }

    fn send(&self, id: u64, kind: Kind, payload: &[u8]) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if frame::write(&mut *writer, id, kind, payload).is_err() {
            trap::leave(ORPHANED);
        }
    }
}

/// The next frame. Without one there is nothing left to do here.
fn next(reader: &mut FrameReader<Socket>) -> Frame {
    match reader.next() {
        Ok(Some(frame)) => frame,
        Ok(None) => trap::leave(0),
        Err(error) => confused(&error.to_string()),
    }
}

/// Reports progress.
fn tell(kind: Kind, payload: &[u8]) {
    if frame::write(Socket(io::stdin()), 0, kind, payload).is_err() {
        trap::leave(ORPHANED);
    }
}

fn confused(text: &str) -> ! {
    complain(text);
    trap::leave(CONFUSED)
}

fn complain(text: &str) {
    // Nobody may be listening.
    let _ = writeln!(io::stderr(), "kefu-adapter-host[{}]: {text}", process::id());
}

/// Standard input, which is the socket, read and written past std's buffer.
struct Socket(Stdin);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.0.as_fd(), buffer)?)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.0.as_fd(), bytes)?)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::writev(self.0.as_fd(), parts)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
