//! The admin API from outside.

mod commands;
mod crash;
mod doors;
mod entities;
mod generations;
mod log;
mod push;
mod schemas;
