//! The admin API from outside.

mod certificates;
mod commands;
mod config;
mod crash;
mod doors;
mod entities;
mod generations;
mod health;
mod log;
mod push;
mod schemas;
mod sweep;
mod sync;
