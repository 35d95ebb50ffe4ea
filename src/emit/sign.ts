import { createHmac } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** What a signature covers, and for whom. Source and cluster in lower case, as the receiver compares them. */
export interface SignatureInput {
  readonly source: string;
  readonly cluster: string;
  /** The shared secret of this source and cluster, taken as UTF-8. */
  readonly secret: string | KeyObject;
  /** The exact bytes that go over the wire. */
  readonly body: string | Buffer;
  /** Unix seconds at the moment of sending; the receiver allows five minutes either way. */
  readonly timestamp: number;
}

/** The four headers that prove who sends an event: hex HMAC-SHA256 over `<timestamp>.<raw body>` (wire contract, section 1). */
export const signHeaders = ({ source, cluster, secret, body, timestamp }: SignatureInput): Record<string, string> => ({
  'x-cert-source': source,
  'x-cert-cluster': cluster,
  'x-cert-timestamp': String(timestamp),
  'x-cert-signature': createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest('hex'),
});
