//! The admin API from outside.

mod doors;
