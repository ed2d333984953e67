//! The admin API from outside.

mod doors;
mod entities;
mod generations;
mod log;
