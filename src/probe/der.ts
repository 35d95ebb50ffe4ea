/** One value of a DER encoding (X.690): its tag octet and where its contents lie. */
export interface Tlv {
  readonly tag: number;
  readonly from: number;
  readonly to: number;
}

export const tags = { integer: 0x02, octets: 0x04, oid: 0x06, enumerated: 0x0a, sequence: 0x30 } as const;

/** The value that begins at `at` and ends by `limit`; null when there is none. Lengths over four octets are not read. */
export const readTlv = (der: Buffer, at: number, limit: number = der.length): Tlv | null => {
  if (at < 0 || at + 2 > limit || limit > der.length) return null;
  const first = der.readUInt8(at + 1);
  if (first < 0x80)
    return at + 2 + first <= limit ? { tag: der.readUInt8(at), from: at + 2, to: at + 2 + first } : null;
  const octets = first - 0x80;
  if (octets === 0 || octets > 4 || at + 2 + octets > limit) return null;
  const from = at + 2 + octets;
  const to = from + der.readUIntBE(at + 2, octets);
  return to <= limit ? { tag: der.readUInt8(at), from, to } : null;
};

/** The values inside one, in their order; those before a broken one when the encoding is broken. */
export function* childrenOf(der: Buffer, parent: Pick<Tlv, 'from' | 'to'>): Generator<Tlv, void, undefined> {
  let at = parent.from;
  while (at < parent.to) {
    const child = readTlv(der, at, parent.to);
    if (child === null) return;
    yield child;
    at = child.to;
  }
}

export const contentsOf = (der: Buffer, value: Pick<Tlv, 'from' | 'to'>): Buffer => der.subarray(value.from, value.to);

/** The first value inside one that has this tag. */
export const childWith = (der: Buffer, parent: Pick<Tlv, 'from' | 'to'>, tag: number): Tlv | null => {
  for (const child of childrenOf(der, parent)) if (child.tag === tag) return child;
  return null;
};
