/** The narrowest run of tests that has to notice a mutant. */
export interface Suite {
  readonly file: string;
  /** A pattern over the full names of tests, as `vitest -t` takes it; without it the whole file. */
  readonly only?: string;
}

/** A fault of our own in the design: one exact text of one file replaced by another. */
export interface Mutant {
  /** Kebab-case, as `--only` takes it. */
  readonly name: string;
  /** What the program does with it. */
  readonly fault: string;
  readonly file: string;
  /** Found exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  readonly suite: Suite;
}

/** Counts how often a text holds another. */
export const occurrences = (text: string, part: string): number => text.split(part).length - 1;

/** The text with the mutant's fault in it. @throws Error where its place is not found exactly once. */
export const mutated = (text: string, { name, file, find, replace }: Mutant): string => {
  const times = occurrences(text, find);
  if (times !== 1) throw new Error(`the mutant ${name} finds its text ${times} times in ${file}: mend its place`);
  return text.replace(find, () => replace);
};

export const nameOfSuite = ({ file, only }: Suite): string => (only === undefined ? file : `${file}: ${only}`);
