//! The admin API from outside.

mod certificates;
mod doors;
mod entities;
mod generations;
mod health;
