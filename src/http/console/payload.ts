// Characters that are not seen or change how the rest reads; JSON has a way to write each.
const unseen = /[\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u007f-\u009f]/gu;
const secretName = /secret|passw(?:or)?d|token|credential|authorization|cookie|api_?key|private_?key/i;
const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;
const withCredentials = /(?<=:\/\/)[^\s/@]+@/g;
const hidden = '(not shown)';

const shown = (name: string, value: unknown): unknown => {
  if (secretName.test(name) && value !== null && typeof value !== 'boolean') return hidden;
  if (typeof value !== 'string') return value;
  return privateKey.test(value) ? hidden : value.replaceAll(withCredentials, '');
};

const escaped = (character: string): string =>
  Array.from(character.split(''), (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');

/**
 * What a sender sent, as JSON over several lines. Values that look like secrets by their name are left out, characters that
 * cannot be seen are written as escapes, and what is over `max` characters is cut.
 */
export const payloadText = (payload: unknown, max: number): { readonly text: string; readonly cut: boolean } => {
  const text = (JSON.stringify(payload, shown, 2) ?? 'null').replaceAll(unseen, escaped);
  return text.length <= max ? { text, cut: false } : { text: text.slice(0, max), cut: true };
};
