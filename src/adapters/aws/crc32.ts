/** A CRC-32 as S3 writes it: four bytes, the highest first, in base64. */
export function base64Crc(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc >>> 0);
  return bytes.toString('base64');
}

/** The polynomial of zlib's CRC-32, bits reversed. */
const POLYNOMIAL = 0xedb88320;

/**
 * The CRC-32 of two concatenated byte strings, from their CRCs and the length of the second. Appending n zero bytes to
 * a message multiplies its CRC by x^(8n) modulo the polynomial; the second CRC is then added.
 */
export function combineCrcs(first: number, second: number, secondLength: number): number {
  return (multiply(powerOfX(secondLength * 8), first) ^ second) >>> 0;
}

/** Polynomials over GF(2), with bit 31 as the constant term. */
const ONE = 0x80000000;

function multiply(one: number, other: number): number {
  let product = 0;
  let shifted = other;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if (one & bit) product ^= shifted;
    shifted = shifted & 1 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

/** x^n modulo the polynomial, by squaring. */
function powerOfX(n: number): number {
  let result = ONE;
  let square = ONE >>> 1;
  // No bit shifts: a chunk's length in bits exceeds 32 bits.
  for (let left = n; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = multiply(square, result);
    square = multiply(square, square);
  }
  return result;
}
