import { isInfrastructureFault } from '../db/client.ts';
import { AppError, messageOf } from '../errors.ts';

/**
 * Works on the database.
 *
 * @throws AppError `unavailable` for a fault of the database itself, which uses up no try; any other fault as it is.
 */
export const onDatabase = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (fault) {
    if (isInfrastructureFault(fault)) throw new AppError('unavailable', messageOf(fault), { cause: fault });
    throw fault;
  }
};
