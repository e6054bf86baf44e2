//! The simulators over real HTTP: what each call answers and what is pushed.

mod aikefu;
mod binary;
mod control;
mod faults;
mod jiaxin;
mod pushes;
mod qiyu;
mod support;
mod xiaoneng;
mod zhichi;
