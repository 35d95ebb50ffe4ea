import { displayText } from '../lifecycle/display-text.ts';

const shown = 500;
const htmlOf = (text: string): string => text.replaceAll('&', '&amp;');

/** Percent-encoding undone; text that is not encoded properly stays as it is. */
export const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** Words such as `services` or `workflows` say nothing; everything else of some length in a path or query may be a key. */
const mayBeKey = (part: string): boolean => part.length >= 8 && (part.length >= 16 || !/^[a-z]+$/.test(part));

/** What of a URL must not be seen: its path and query, whole and in parts, and the account before the host. */
export const secretsOfUrl = (url: URL): string[] => {
  const parts = `${url.pathname}/${url.search}`.split(/[/?&=]/).filter(mayBeKey);
  const whole = `${url.pathname}${url.search}`;
  return [...(whole.length > 1 ? [whole] : []), ...parts, url.username, url.password];
};

/** The beginning of an answer for people: secrets blotted out, on one line, at most 500 characters; null when empty. */
export const snippetOf = (text: string, secrets: readonly string[]): string | null => {
  const forms = secrets
    .flatMap((secret) => [secret, decoded(secret), htmlOf(secret), JSON.stringify(secret).slice(1, -1)])
    .filter((secret) => secret !== '');
  // Longest first, so that no part of a secret is left beside a shorter one.
  const ordered = [...new Set(forms)].sort((a, b) => b.length - a.length);
  const clean = ordered.reduce((rest, secret) => rest.replaceAll(secret, '[hidden]'), text);
  return displayText(clean, shown) || null;
};
