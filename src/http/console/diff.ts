/** One field that a change gave another value; null where there was none before, or is none after. */
export interface FieldChange {
  readonly name: string;
  readonly before: string | null;
  readonly after: string | null;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const textOf = (value: unknown): string | null => {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
};

// Deeper than this, what is inside shows as JSON.
const deepest = 3;

const fieldsOf = (value: unknown, path: string, depth: number, into: Map<string, string | null>): void => {
  if (isObject(value) && depth < deepest && Object.keys(value).length > 0) {
    for (const [name, inner] of Object.entries(value))
      fieldsOf(inner, path === '' ? name : `${path}.${name}`, depth + 1, into);
  } else if (value !== null && value !== undefined) into.set(path === '' ? 'value' : path, textOf(value));
  else if (path !== '' && value === null) into.set(path, 'none');
};

/** The fields in which two values differ, in the order of the later one; all of them where there is only one value. */
export const changesOf = (before: unknown, after: unknown): FieldChange[] => {
  const [old, now] = [new Map<string, string | null>(), new Map<string, string | null>()];
  fieldsOf(before, '', 0, old);
  fieldsOf(after, '', 0, now);
  return [...new Set([...now.keys(), ...old.keys()])].flatMap((name) => {
    const [was, is] = [old.get(name) ?? null, now.get(name) ?? null];
    return was === is ? [] : [{ name, before: was, after: is }];
  });
};
