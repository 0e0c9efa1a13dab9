//! G.711 A-law and µ-law (ITU-T G.711): coding of linear samples, and direct conversion from one law to the other.
//!
//! Linear samples are 16-bit: the 13 bits of A-law and the 14 of µ-law stand at the top. Encoding is that of the ITU's
//! reference (G.191): negative samples are taken by ones' complement. Conversion between the laws is by G.711's own
//! tables 3 and 4, one look-up a byte; it does not pass through linear samples, and keeps the sign of zero.

/// One of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// A-law: Europe and most of the world.
    A,
    /// µ-law: North America and Japan.
    Mu,
}

impl Law {
    /// The code of silence: positive zero.
    pub const fn silence(self) -> u8 {
        match self {
            Self::A => 0xD5,
            Self::Mu => 0xFF,
        }
    }

    /// The other law.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::Mu,
            Self::Mu => Self::A,
        }
    }

    /// The linear value of a code.
    #[inline]
    pub const fn decode(self, code: u8) -> i16 {
        match self {
            Self::A => A_TO_LINEAR[code as usize],
            Self::Mu => MU_TO_LINEAR[code as usize],
        }
    }

    /// The code of a linear sample.
    #[inline]
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::A => encode_a(sample),
            Self::Mu => encode_mu(sample),
        }
    }

    /// Turns codes of this law into codes of the other, in place.
    #[inline]
    pub fn convert_to_other(self, codes: &mut [u8]) {
        let table = match self {
            Self::A => &A_TO_MU,
            Self::Mu => &MU_TO_A,
        };
        for code in codes {
            *code = table[usize::from(*code)];
        }
    }
}

const fn encode_a(sample: i16) -> u8 {
    // Magnitude in 12 bits; the reference complements negative samples, so -1 and 0 differ by sign alone.
    let magnitude = ((if sample < 0 { !sample } else { sample }) >> 4) as u16;
    let code = if magnitude < 32 {
        // Segments 0 and 1 share a step: the code is the magnitude.
        magnitude as u8
    } else {
        let segment = 12 - magnitude.leading_zeros() as u16 - 1;
        ((segment + 1) << 4 | (magnitude >> segment) & 0x0F) as u8
    };
    let sign = if sample < 0 { 0 } else { 0x80 };
    // Even bits are inverted on the line.
    (code | sign) ^ 0x55
}

const fn encode_mu(sample: i16) -> u8 {
    let magnitude = ((if sample < 0 { !sample } else { sample }) >> 2) as u16 + 33;
    let magnitude = if magnitude > 0x1FFF { 0x1FFF } else { magnitude };
    // With the bias of 33 the leading one names the segment: bit 5 for segment 0, bit 12 for segment 7.
    let segment = 10 - magnitude.leading_zeros() as u16;
    let code = (segment << 4 | (magnitude >> (segment + 1)) & 0x0F) as u8;
    let sign = if sample < 0 { 0 } else { 0x80 };
    (!code & 0x7F) | sign
}

const fn decode_a(code: u8) -> i16 {
    let code = code ^ 0x55;
    let segment = (code >> 4) & 7;
    let mantissa = ((code & 0x0F) as i16) << 4 | 8;
    let magnitude = if segment == 0 { mantissa } else { (mantissa + 0x100) << (segment - 1) };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

const fn decode_mu(code: u8) -> i16 {
    let code = !code;
    let segment = (code >> 4) & 7;
    let magnitude = (((((code & 0x0F) as i16) << 3) + 0x84) << segment) - 0x84;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

static A_TO_LINEAR: [i16; 256] = decoding_table(Law::A);
static MU_TO_LINEAR: [i16; 256] = decoding_table(Law::Mu);

const fn decoding_table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = match law {
            Law::A => decode_a(code as u8),
            Law::Mu => decode_mu(code as u8),
        };
        code += 1;
    }
    table
}

/// G.711 table 3: the A-law output value number for each µ-law one, 0 to 127. The numbers count from the quiet end.
const MU_TO_A_NUMBERS: [u8; 128] = numbers(&[
    Run { from: 0, count: 8, times: 2, step: 1 },
    Run { from: 8, count: 17, times: 1, step: 1 },
    Run { from: 26, count: 3, times: 1, step: 2 },
    Run { from: 32, count: 12, times: 1, step: 1 },
    Run { from: 45, count: 1, times: 1, step: 1 },
    Run { from: 47, count: 15, times: 1, step: 1 },
    Run { from: 63, count: 17, times: 1, step: 1 },
    Run { from: 81, count: 47, times: 1, step: 1 },
]);

/// G.711 table 4: the µ-law output value number for each A-law one.
const A_TO_MU_NUMBERS: [u8; 128] = numbers(&[
    Run { from: 1, count: 8, times: 1, step: 2 },
    Run { from: 16, count: 16, times: 1, step: 1 },
    Run { from: 32, count: 4, times: 2, step: 1 },
    Run { from: 36, count: 12, times: 1, step: 1 },
    Run { from: 48, count: 2, times: 2, step: 1 },
    Run { from: 50, count: 14, times: 1, step: 1 },
    Run { from: 64, count: 1, times: 2, step: 1 },
    Run { from: 65, count: 15, times: 1, step: 1 },
    Run { from: 80, count: 1, times: 2, step: 1 },
    Run { from: 81, count: 47, times: 1, step: 1 },
]);

/// `count` numbers from `from` on, `step` apart, each written `times` times.
struct Run {
    from: u8,
    count: u8,
    times: u8,
    step: u8,
}

const fn numbers(runs: &[Run]) -> [u8; 128] {
    let mut table = [0; 128];
    let (mut at, mut run) = (0, 0);
    while run < runs.len() {
        let Run { from, count, times, step } = runs[run];
        let mut n = 0;
        while n < count * times {
            table[at] = from + n / times * step;
            at += 1;
            n += 1;
        }
        run += 1;
    }
    assert!(at == 128, "the runs fill the table");
    table
}

static MU_TO_A: [u8; 256] = conversion_table(&MU_TO_A_NUMBERS, 0xFF, 0xD5);
static A_TO_MU: [u8; 256] = conversion_table(&A_TO_MU_NUMBERS, 0xD5, 0xFF);

/// From output value numbers to codes: a code is its number, sign bit aside, xored with the law's pattern.
const fn conversion_table(numbers: &[u8; 128], from: u8, to: u8) -> [u8; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let value = code as u8 ^ from;
        table[code] = (numbers[(value & 0x7F) as usize] | value & 0x80) ^ to;
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests;
