import { accessMutants } from './list-access.ts';
import { applyMutants } from './list-apply.ts';
import { ingestMutants } from './list-ingest.ts';
import { outboundMutants } from './list-outbound.ts';
import { queueMutants } from './list-queues.ts';
import type { Mutant } from './mutant.ts';

export const mutants: readonly Mutant[] = [
  ...ingestMutants,
  ...applyMutants,
  ...queueMutants,
  ...outboundMutants,
  ...accessMutants,
];
