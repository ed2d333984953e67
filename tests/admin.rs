//! The admin API from outside.

mod commands;
mod doors;
mod entities;
mod generations;
mod log;
mod push;
