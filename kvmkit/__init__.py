"""kvmkit: KVM hosts and virtual machines from a notebook, checked, previewed and with a way back.

>>> import kvmkit as kk
>>> host = kk.connect("test:///default")
>>> plan = kk.plan_vm(host, kk.VMSpec(name="web1", memory_mib=1024, vcpus=1, disk_gib=10))
>>> report = kk.apply(plan)
>>> kk.vms(host).loc["web1", "state"]
'running'
>>> kk.undo(report).ok
True
"""

import lazy_loader

# A name is imported when it is first used: who looks at VMs waits for no widgets and no installer.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
