import * as v from 'valibot';
import { normalizeDomain } from './lifecycle/domain-name.ts';

/** Who may sign events, with which secrets (several while a key is rotated), and for which domains (null: all). */
export interface SourceKey {
  readonly source: string;
  readonly cluster: string;
  readonly secrets: readonly string[];
  readonly domains: readonly string[] | null;
}

export type SourceKeys = ReadonlyMap<string, SourceKey>;

export const subjectOf = (source: string, cluster: string): string => `${source}:${cluster}`;

type Parsed = { readonly keys: SourceKeys } | { readonly problems: readonly string[] };

const pattern = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const name = dataset.value === '*' ? '*' : normalizeDomain(dataset.value);
    if (name !== null) return name;
    addIssue({ message: 'is not a domain pattern' });
    return NEVER;
  }),
);
const identity = (max: number) => v.pipe(v.string(), v.trim(), v.toLowerCase(), v.minLength(1), v.maxLength(max));
// Without a colon in the source, `source:cluster` names one pair only.
const sourceName = v.pipe(identity(80), v.excludes(':'));
const jsonEntry = v.strictObject({
  source: sourceName,
  cluster: identity(120),
  secrets: v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1)),
  domains: v.optional(v.pipe(v.array(pattern), v.minLength(1))),
});

const add = (keys: Map<string, SourceKey>, entry: SourceKey): void => {
  const subject = subjectOf(entry.source, entry.cluster);
  const known = keys.get(subject);
  if (known === undefined) {
    keys.set(subject, entry);
    return;
  }
  // An entry without domains adds a secret and lifts no binding.
  const domains = known.domains === null ? entry.domains : [...known.domains, ...(entry.domains ?? [])];
  keys.set(subject, { ...known, secrets: [...known.secrets, ...entry.secrets], domains });
};

const parseJson = (text: string): Parsed => {
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch {
    return { problems: ['is not valid JSON'] };
  }
  if (!Array.isArray(entries) || entries.length === 0)
    return { problems: ['must be a JSON array of one or more entries'] };
  const keys = new Map<string, SourceKey>();
  const problems: string[] = [];
  entries.forEach((entry: unknown, index) => {
    const result = v.safeParse(jsonEntry, entry);
    if (result.success) add(keys, { ...result.output, domains: result.output.domains ?? null });
    else
      problems.push(
        `entry ${index + 1}: ${fieldsOf(result.issues)} must be given as {"source","cluster","secrets":[…],"domains":[…]}`,
      );
  });
  return problems.length > 0 ? { problems } : { keys };
};

const fieldsOf = (issues: readonly v.BaseIssue<unknown>[]): string => {
  const names = issues.map((issue) => {
    const key = issue.path?.[0]?.key;
    if (key === undefined) return 'the entry';
    return typeof key === 'string' && Object.hasOwn(jsonEntry.entries, key) ? key : 'a field that is not known';
  });
  return [...new Set(names)].join(', ');
};

const parseList = (text: string): Parsed => {
  const keys = new Map<string, SourceKey>();
  const problems: string[] = [];
  text.split(',').forEach((raw, index) => {
    const entry = raw.trim();
    const equals = entry.indexOf('=');
    const colon = entry.indexOf(':');
    const source = entry.slice(0, colon).trim().toLowerCase();
    const cluster = entry
      .slice(colon + 1, equals)
      .trim()
      .toLowerCase();
    const secret = entry.slice(equals + 1).trim();
    const wellFormed = colon > 0 && equals > colon && source !== '' && cluster !== '' && secret !== '';
    if (wellFormed) add(keys, { source, cluster, secrets: [secret], domains: null });
    else problems.push(`entry ${index + 1} is not of the form source:cluster=secret`);
  });
  return problems.length > 0 ? { problems } : { keys };
};

/**
 * Reads CERT_EVENT_SOURCE_KEYS: a comma list of `source:cluster=secret`, or a JSON array that can also bind a source to
 * domain patterns (contract 1). The same pair given twice is a key in rotation.
 *
 * @returns the keys, or problems that name an entry's position and never its secret.
 */
export const parseSourceKeys = (text: string): Parsed =>
  text.trimStart().startsWith('[') ? parseJson(text) : parseList(text);
