import type { Case } from './run.ts';
export const scale: Case = () => Promise.resolve([]);
