import { domainToASCII } from 'node:url';

const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;
const plain = /^[a-z0-9._*-]+$/;
const allDigits = /^\d+$/;

/**
 * Brings a host name to the one form it is kept in: trimmed, lower-cased, IDN as A-labels (RFC 5891), no trailing dots;
 * a leading `*.` stays (RFC 6125, section 6.4.3).
 *
 * @returns the name, or null when it is not a host name (an address literal is none).
 */
export const normalizeDomain = (input: string): string | null => {
  if (input.length > 1024) return null;
  const trimmed = input.trim().toLowerCase().replace(/\.+$/, '');
  const wildcard = trimmed.startsWith('*.');
  const bare = wildcard ? trimmed.slice(2) : trimmed;
  // domainToASCII would unescape %2e and read 0x7f.1 as an address: only names that need it are given to it.
  const ascii = plain.test(bare)
    ? bare
    : /[\s%/\\?#@:[\]<>^|]/.test(bare)
      ? ''
      : domainToASCII(bare).replace(/\.+$/, '');
  const name = wildcard ? `*.${ascii}` : ascii;
  if (ascii === '' || name.length > 253) return null;
  const labels = ascii.split('.');
  if (!labels.every((part) => label.test(part))) return null;
  const last = labels.at(-1) ?? '';
  return allDigits.test(last) || /^0x[0-9a-f]*$/.test(last) ? null : name;
};

/** Whether a name falls under a pattern: the same name, or `*.example.com` for everything below it; `*` is every name. */
export const matchesDomain = (pattern: string, name: string): boolean =>
  pattern === '*' || pattern === name || (pattern.startsWith('*.') && name.endsWith(pattern.slice(1)));
