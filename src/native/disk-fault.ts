/** Errors that are the disk's, not the connection's or the archive's: what was fetched before them is kept. */

import { hasCode } from '../errors/stillhouse-error.js';

const CODES = ['ENOSPC', 'EDQUOT', 'EIO', 'EACCES', 'EROFS', 'EISDIR'];

export const DISK_HINT = 'Run the command again when that is mended: it goes on';

export function isDiskFault(error: unknown): boolean {
  return CODES.some((code) => hasCode(error, code));
}
