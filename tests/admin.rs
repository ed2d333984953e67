//! The admin API from outside.

mod crash;
mod doors;
mod entities;
mod generations;
mod schemas;
mod sweep;
mod sync;
