/** One message of PostgreSQL's protocol (version 3): its type, and all its bytes. The first of a client has no type. */
export interface Message {
  readonly type: string;
  readonly bytes: Buffer;
}

/** Cuts a stream of bytes into messages. @param untyped how many messages at its start have no type byte */
export const messages = (untyped: number): ((chunk: Buffer) => Message[]) => {
  let rest: Buffer = Buffer.alloc(0);
  let plain = untyped;
  const next = (): Message | null => {
    const head = plain > 0 ? 0 : 1;
    if (rest.length < head + 4) return null;
    const end = head + rest.readUInt32BE(head);
    if (rest.length < end) return null;
    const bytes = rest.subarray(0, end);
    rest = rest.subarray(end);
    plain -= head === 0 ? 1 : 0;
    return { type: head === 0 ? '' : String.fromCharCode(bytes[0] ?? 0), bytes };
  };
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const found: Message[] = [];
    for (let message = next(); message !== null; message = next()) found.push(message);
    return found;
  };
};

const cString = (bytes: Buffer, from: number): { text: string; end: number } => {
  const end = bytes.indexOf(0, from);
  return { text: bytes.toString('utf8', from, end), end: end + 1 };
};

/** Name and text of the statement that a Parse message prepares. */
export const parsed = ({ bytes }: Message): { name: string; text: string } => {
  const name = cString(bytes, 5);
  return { name: name.text, text: cString(bytes, name.end).text };
};

/** Name of the prepared statement that a Bind message runs. */
export const bound = ({ bytes }: Message): string => cString(bytes, cString(bytes, 5).end).text;

/** Text of a simple Query message. */
export const queried = ({ bytes }: Message): string => cString(bytes, 5).text;

/** The server process that a BackendKeyData message names. */
export const backendOf = ({ bytes }: Message): number => bytes.readUInt32BE(5);
