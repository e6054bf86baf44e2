//! An adapter in a process of its own, locked down.
//!
//! Owns the child process from its start to its end: how it is started and
//! watched from the gateway's side, and what happens inside it. The child is
//! this very program, started again with a hidden subcommand; its standard
//! input is one end of a socket, its environment is empty. It loads the private
//! copy, gives up every right but to compute and to use that socket, opens the
//! adapter and takes calls. Deliberately decides nothing about providers and
//! generations.
//!
//! | module | side | what it owns |
//! |---|---|---|
//! | `frame`, `hello` | both | what goes over the socket |
//! | `serve` | child | the order in which rights are given away, and the calls |
//! | `sandbox`, `syscalls` | child | which system calls are allowed, and why |
//! | `landlock` | child | which files can be read while the plug-in is loaded |
//! | `trap` | child | the last words about one that is not |
//! | [`nursery`] | gateway | starting a child, stage by stage |
//! | `line` | gateway | reads that end at a deadline |
//! | `process` | gateway | killing, listening, reaping |
//! | `death` | gateway | how it ended, in words |
//! | `calls`, [`running`] | gateway | one that serves: many calls under way |
//! | [`supervisor`] | gateway | one that always serves: the next after each |
//!
//! Invariants: a child ends with its gateway; nothing it does costs more than
//! the calls that were under way in it; nothing it sends is trusted beyond its
//! length.

mod calls;
mod death;
mod frame;
mod hello;
mod landlock;
mod line;
pub mod nursery;
mod process;
pub mod running;
mod sandbox;
mod serve;
pub mod supervisor;
mod syscalls;
mod trap;

pub use death::{Death, How};
pub use nursery::{ChildError, Launch, Nursery};
pub use running::{CallError, Child};
pub use serve::serve;
pub use supervisor::{ChildObserver, Supervisor};
