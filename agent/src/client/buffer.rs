//! The two buffers of a connection.
//!
//! ureq's own zero themselves byte by byte in a crate that is built for size, which took half of all the instructions
//! of a `vm show`.

use crate::limits::MAX_HEADER;
use ureq::unversioned::transport::Buffers;

/// For what is sent, in bytes; a request's header must fit.
const OUTPUT: usize = 4 << 10;

/// Bytes that came and are yet to be read, and room for those that are to be sent.
#[derive(Debug)]
pub(super) struct Buffer {
    input: Vec<u8>,
    /// What came and is yet to be read.
    start: usize,
    end: usize,
    /// Was anything read of it since it was looked at last? If not, more must come.
    progress: bool,
    output: Vec<u8>,
}

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer {
            input: vec![0; MAX_HEADER],
            start: 0,
            end: 0,
            progress: false,
            output: vec![0; OUTPUT],
        }
    }

    fn make_room(&mut self) {
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
    }
}

impl Buffers for Buffer {
    fn output(&mut self) -> &mut [u8] {
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.make_room();
        &mut self.input[self.end..]
    }

    fn input_appended(&mut self, amount: usize) {
        self.end += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.start += amount;
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.make_room();
        (&mut self.input[self.end..], &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.progress && self.start < self.end
    }
}
