/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BRGPU_PCI_H
#define BRGPU_PCI_H

int brgpu_pci_register(void);
void brgpu_pci_unregister(void);

#endif /* BRGPU_PCI_H */
