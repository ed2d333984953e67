//! Bodies on their way: held back where nobody takes them, given up where nobody wants them, framed as they have to be.

mod duplex;
mod early;
mod flow;
mod framing;
mod trailers;
