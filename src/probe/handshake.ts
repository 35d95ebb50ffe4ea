import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { alertText } from './alerts.ts';
import type { ByteWatch } from './byte-watch.ts';
import { endSocket, type Fault, seconds, socketFault } from './connection.ts';
import { startDeadline } from './deadline.ts';
import { notTls } from './fetch.ts';
import { maxHelloBytes } from './hello-reader.ts';

/** A handshake that came to its end. */
export interface Handshaken {
  readonly leaf: X509Certificate;
  /** OpenSSL's word on the chain under the context that was used; null when it is trusted. */
  readonly code: string | null;
  readonly tlsVersion: string | null;
  readonly staple: Buffer | null;
}

const closed: Fault = { verdict: 'closed', error: 'the server closed the connection during the handshake' };
const tooLarge: Fault = {
  verdict: 'oversized',
  error: 'the server sends more certificates than TLS clients take (100 KiB)',
};
const endless: Fault = {
  verdict: 'oversized',
  error: 'the server sends more than 256 KiB without ending the handshake',
};

const plaintext = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_RECORD_LAYER_FAILURE',
  'ERR_SSL_BAD_RECORD_TYPE',
]);
const outdated = new Set(['ERR_SSL_UNSUPPORTED_PROTOCOL', 'ERR_SSL_VERSION_TOO_LOW', 'ERR_SSL_NO_PROTOCOLS_AVAILABLE']);

const propertyOf = (error: Error, key: 'code' | 'reason'): string => {
  const value: unknown = Reflect.get(error, key);
  return typeof value === 'string' ? value : '';
};

/** What an error of the handshake says of the server. @throws the error itself when it is this machine's. */
const handshakeFault = (error: Error): Fault => {
  const code = propertyOf(error, 'code');
  if (code === 'ECONNRESET') return closed;
  if (plaintext.has(code)) return { verdict: 'not_tls', error: notTls(false) };
  if (outdated.has(code)) return { verdict: 'tls_alert', error: 'the server offers no TLS version from 1.2 on' };
  if (code === 'ERR_SSL_EXCESSIVE_MESSAGE_SIZE') return tooLarge;
  if (!code.startsWith('ERR_SSL_') && !code.startsWith('ERR_TLS_') && code !== 'EPROTO') return socketFault(error);
  const alert = /alert number (\d+)/i.exec(error.message);
  if (alert !== null) return { verdict: 'tls_alert', error: alertText(Number(alert[1])) };
  const reason = propertyOf(error, 'reason') || code;
  return { verdict: 'tls_alert', error: `the TLS handshake fails: ${reason.slice(0, 100)}` };
};

/** What Node knows when the handshake is over; the leaf can be asked for only once, and `shown` may have done so. */
const read = (tls: TLSSocket, shown: Handshaken | null): Handshaken | Fault => {
  const leaf = shown === null ? tls.getPeerX509Certificate() : shown.leaf;
  if (leaf === undefined) return { verdict: 'tls_alert', error: 'the server presents no certificate' };
  // With rejectUnauthorized off, Node gives OpenSSL's code here as a string.
  const code = tls.authorized ? null : String(tls.authorizationError);
  return { leaf, code, tlsVersion: tls.getProtocol(), staple: shown?.staple ?? null };
};

const unknownCode = 'UNSPECIFIED';
/** Alerts of a server that misses a client certificate: handshake_failure, those on certificates, certificate_required. */
const wantsClient = /alert number (?:40|42|43|45|46|48|49|116)\b/i;

/** OpenSSL's word on the chain before the handshake is over, which Node keeps on its inner handle only. */
const earlyCode = (tls: TLSSocket): string | null => {
  const inner: unknown = Reflect.get(tls, 'ssl');
  const verify: unknown = typeof inner === 'object' && inner !== null ? Reflect.get(inner, 'verifyError') : undefined;
  if (typeof verify !== 'function') return unknownCode;
  const error: unknown = Reflect.apply(verify, inner, []);
  return error instanceof Error ? propertyOf(error, 'code') : null;
};

/**
 * What the server has shown when its flight is over and the client's turn comes (RFC 5246, section 7.3). In TLS 1.2 a server that
 * wants a client certificate breaks off after that; its own certificate and key have been checked by then.
 */
const readEarly = (tls: TLSSocket, staple: Buffer | null): Handshaken | null => {
  const leaf = tls.getPeerX509Certificate();
  return leaf === undefined ? null : { leaf, code: earlyCode(tls), tlsVersion: tls.getProtocol(), staple };
};

/**
 * A complete TLS handshake by node:tls: the server proves that it holds the key. The certificate is taken whatever is wrong with it.
 *
 * @param socket connected; wrapped, so that it can be reset afterwards.
 * @throws Error for faults of this machine.
 */
export const fullHandshake = async (
  socket: Socket,
  name: string,
  context: SecureContext,
  { timeoutMs, watch }: { readonly timeoutMs: number; readonly watch: ByteWatch },
): Promise<Handshaken | Fault> => {
  const { promise, resolve } = Promise.withResolvers<Handshaken | Fault | Error>();
  const early: { shown: Handshaken | null } = { shown: null };
  const callOff = startDeadline(timeoutMs, () => {
    resolve({ verdict: 'handshake_timeout', error: `the handshake did not end within ${seconds(timeoutMs)}` });
  });
  const unwatch = watch.add(socket, maxHelloBytes, () => resolve(endless));
  const tls = connect({
    socket,
    secureContext: context,
    servername: name,
    rejectUnauthorized: false,
    requestOCSP: true,
    // The name is matched by checkHost later, for less than the conversion that this hook would need.
    checkServerIdentity: () => undefined,
  });
  // Comes at the end of the server's flight, with null where nothing is stapled.
  tls.once('OCSPResponse', (response: Buffer | null) => (early.shown = readEarly(tls, response)));
  tls.once('secureConnect', () => resolve(read(tls, early.shown)));
  tls.on('error', resolve).once('close', () => resolve(closed));
  const end = await promise;
  callOff();
  unwatch();
  // Takes the TLS socket with it. Destroying that one too, in the same turn, makes Node crash.
  endSocket(socket);
  if (!(end instanceof Error)) return end;
  const { shown } = early;
  const isEnough = shown !== null && shown.code !== unknownCode && wantsClient.test(end.message);
  return isEnough ? shown : handshakeFault(end);
};
