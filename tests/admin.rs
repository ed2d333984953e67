//! The admin API from outside.

mod config;
mod doors;
mod entities;
mod generations;
