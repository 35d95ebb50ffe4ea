// Control and format characters (bidi overrides among them), and halves of surrogate pairs, would change how the rest reads.
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]+/gu;

/**
 * Text from outside for one line of display: control and bidi characters become blanks, several blanks one; at most `max`
 * UTF-16 units remain.
 */
export const displayText = (text: string, max: number): string => {
  const clean = text.replaceAll(unseen, ' ').replaceAll(/ {2,}/g, ' ').trim();
  if (clean.length <= max) return clean;
  return `${clean.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
};
