// Words as bits, for the revealed output.

/** The low `bits` bits of each word, one after the other, lowest first; ceil(bits * count / 8) bytes. */
export function wordsToBits(words: usize, out: usize, count: i32, bits: i32): void {
  memory.fill(out, 0, (<usize>bits * <usize>count + 7) >> 3);
  let at: usize = 0; // in bits
  for (let n = 0; n < count; n++) {
    let value = load<u64>(words + (n << 3));
    for (let left = bits; left > 0;) {
      const room = 8 - <i32>(at & 7),
        take = left < room ? left : room;
      const byte = out + (at >> 3);
      store<u8>(byte, load<u8>(byte) | (<u8>((value & ((1 << (<u64>take)) - 1)) << (at & 7))));
      value >>= <u64>take;
      left -= take;
      at += <usize>take;
    }
  }
}

/** The reverse of wordsToBits, without a sign. */
export function bitsToWords(bytes: usize, words: usize, count: i32, bits: i32): void {
  let at: usize = 0;
  for (let n = 0; n < count; n++) {
    let value: u64 = 0;
    for (let got = 0; got < bits;) {
      const room = 8 - <i32>(at & 7),
        take = bits - got < room ? bits - got : room;
      const piece = ((<u64>load<u8>(bytes + (at >> 3))) >> (at & 7)) & ((1 << (<u64>take)) - 1);
      value |= piece << (<u64>got);
      got += take;
      at += <usize>take;
    }
    store<u64>(words + (n << 3), value);
  }
}
