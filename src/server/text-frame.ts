// A message of WebSocket as the bytes that go over the wire: from a server, so not masked; text, in one piece, not compressed.

const TEXT_IN_ONE_PIECE = 0x81;
const TWO_BYTES_OF_LENGTH = 126;
const EIGHT_BYTES_OF_LENGTH = 127;

const NOTHING = Buffer.alloc(0);

/** All of it in this order; `after` is ASCII. */
export function textFrame(before: string, bytes: Uint8Array = NOTHING, after = ''): Buffer {
  const lengthBefore = Buffer.byteLength(before);
  const length = lengthBefore + bytes.length + after.length;
  const head = length < TWO_BYTES_OF_LENGTH ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = TEXT_IN_ONE_PIECE;
  if (head === 2) frame[1] = length;
  else if (head === 4) {
    frame[1] = TWO_BYTES_OF_LENGTH;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = EIGHT_BYTES_OF_LENGTH;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.write(before, head);
  frame.set(bytes, head + lengthBefore);
  frame.write(after, head + lengthBefore + bytes.length, 'latin1');
  return frame;
}
