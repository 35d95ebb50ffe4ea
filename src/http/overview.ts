import type { Ctx } from '../context.ts';
import { type OverviewFacts, readOverview } from '../db/overview.ts';
import { type Attention, attentionOf } from '../lifecycle/attention.ts';

/** What the overview shows: to the API, the console and the CLI alike. */
export interface Overview extends Omit<OverviewFacts, 'attention'> {
  /** Epoch ms. */
  readonly generatedAt: number;
  readonly attention: Attention['items'];
  /** Kinds that were looked at and are well. */
  readonly well: Attention['well'];
}

/** Reads and assembles the overview of one organisation, or of all (null). */
export const overviewOf = async ({ db, now }: Pick<Ctx, 'db' | 'now'>, orgId: string | null): Promise<Overview> => {
  const at = now();
  const { attention: facts, ...rest } = await readOverview(db, { orgId, now: at });
  const { items, well } = attentionOf(facts, at);
  return { generatedAt: at, attention: items, well, ...rest };
};
