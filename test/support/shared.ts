import { inject } from 'vitest';

/** Asks global-setup.ts for something the whole run shares; its text, or its error. */
export const askShared = async (what: '/postgres' | '/build'): Promise<string> => {
  const response = await fetch(`${inject('sharedUrl')}${what}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`${what} of the test set-up failed: ${text}`);
  return text;
};
