import { childrenOf, childWith, contentsOf, readTlv, tags } from './der.ts';

const explicit0 = 0xa0;
const successful = 0;
/** CertStatus (RFC 6960, section 4.2.1): implicit tags, revoked being a sequence. */
const states: Readonly<Record<number, 'good' | 'revoked' | 'unknown'>> = {
  0x80: 'good',
  0xa1: 'revoked',
  0x82: 'unknown',
};

/** The BasicOCSPResponse inside a successful OCSPResponse (RFC 6960, section 4.2.1). */
const basicResponse = (der: Buffer): Buffer | null => {
  const response = readTlv(der, 0);
  if (response?.tag !== tags.sequence) return null;
  const status = childWith(der, response, tags.enumerated);
  if (status === null || contentsOf(der, status).at(0) !== successful) return null;
  const wrapped = childWith(der, response, explicit0);
  const bytes = wrapped && childWith(der, wrapped, tags.sequence);
  const octets = bytes && childWith(der, bytes, tags.octets);
  return octets && contentsOf(der, octets);
};

/**
 * What a stapled OCSP response says of the certificate with that serial (its DER integer's octets). The responder's signature is not
 * checked: this is what the server hands to its clients, not proof of revocation.
 *
 * @returns null where the response is no success, is broken, or speaks of other certificates only.
 */
export const stapledState = (response: Buffer, serial: Buffer): 'good' | 'revoked' | 'unknown' | null => {
  const basic = basicResponse(response);
  const outer = basic && readTlv(basic, 0);
  const data = outer && childWith(basic, outer, tags.sequence);
  // The responder's name is tagged, so the only plain sequence in ResponseData is the list of answers.
  const list = data && childWith(basic, data, tags.sequence);
  if (basic === null || list === null) return null;
  for (const single of childrenOf(basic, list)) {
    const [certId, status] = childrenOf(basic, single);
    const number = certId && childWith(basic, certId, tags.integer);
    if (number && status && contentsOf(basic, number).equals(serial)) return states[status.tag] ?? null;
  }
  return null;
};
