//! The checksum of a record.

/// CRC-32 as in zlib and PNG (ISO 3309, reflected polynomial 0xedb88320).
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    const TABLES: [[u32; 256]; 8] = crc_tables();
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
    let pick = |table: &[u32; 256], byte: u32| table[(byte & 0xff) as usize];
    let mut crc = u32::MAX;
    // Eight bytes a step: reports may be megabytes.
    let (chunks, rest) = bytes.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in chunks {
        let low = crc ^ u32::from_le_bytes([a, b, c, d]);
        crc = pick(t7, low)
            ^ pick(t6, low >> 8)
            ^ pick(t5, low >> 16)
            ^ pick(t4, low >> 24)
            ^ pick(t3, e.into())
            ^ pick(t2, f.into())
            ^ pick(t1, g.into())
            ^ pick(t0, h.into());
    }
    for &byte in rest {
        crc = (crc >> 8) ^ pick(t0, crc ^ u32::from(byte));
    }
    !crc
}

const fn crc_tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        tables[0][index] = value;
        index += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut index = 0;
        while index < 256 {
            let before = tables[table - 1][index];
            tables[table][index] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            index += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414f_a339);
    }
}
