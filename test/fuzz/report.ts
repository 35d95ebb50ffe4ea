/** Something that must not happen, with all that is needed to see it again. */
export interface Flaw {
  readonly what: string;
  /** What was sent, printable and cut to a bounded length. */
  readonly input: string;
  readonly case: number;
}

/** What one target came to. */
export interface FuzzReport {
  readonly target: string;
  readonly seed: number;
  readonly cases: number;
  readonly seconds: number;
  /** How many cases came to which answer. */
  readonly answers: Readonly<Record<string, number>>;
  readonly flaws: readonly Flaw[];
  /** Figures beside the counts, such as memory: name and value with unit. */
  readonly figures: Readonly<Record<string, string>>;
}

/** Collects the answers and flaws of one run; keeps the first flaws of each kind. */
export interface Tally {
  count(answer: string): void;
  flaw(what: string, input: string, at: number): void;
  readonly answers: Readonly<Record<string, number>>;
  readonly flaws: readonly Flaw[];
}

const mostOfAKind = 3;
const longestInput = 2000;

/** Bytes as text that can be pasted: what is not printable ASCII is escaped. */
export const printable = (bytes: Uint8Array | string): string => {
  const text =
    typeof bytes === 'string' ? Buffer.from(bytes).toString('latin1') : Buffer.from(bytes).toString('latin1');
  const cut = text.length > longestInput ? `${text.slice(0, longestInput)}… (${text.length} bytes)` : text;
  return JSON.stringify(cut).replaceAll(/[\u007f-\u00ff]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`);
};

export const createTally = (): Tally => {
  const answers: Record<string, number> = {};
  const flaws: Flaw[] = [];
  const kinds = new Map<string, number>();
  return {
    answers,
    flaws,
    count: (answer) => {
      answers[answer] = (answers[answer] ?? 0) + 1;
    },
    flaw: (what, input, at) => {
      const seen = kinds.get(what) ?? 0;
      kinds.set(what, seen + 1);
      if (seen < mostOfAKind) flaws.push({ what, input, case: at });
    },
  };
};

const table = (entries: Readonly<Record<string, number | string>>): string =>
  Object.entries(entries)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, value]) => `  ${name.padEnd(44)} ${value}`)
    .join('\n');

/** A report for people. */
export const reportText = ({ target, seed, cases, seconds, answers, flaws, figures }: FuzzReport): string =>
  [
    `${target}: ${cases} cases in ${seconds.toFixed(1)} s, seed ${seed}: ${flaws.length === 0 ? 'no flaw' : `${flaws.length} FLAWS`}`,
    table(answers),
    table(figures),
    ...flaws.map((flaw) => `  FLAW in case ${flaw.case}: ${flaw.what}\n    ${flaw.input}`),
  ]
    .filter((part) => part !== '')
    .join('\n');
