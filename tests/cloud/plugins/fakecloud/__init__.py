# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for the hardware under the test cloud.

``compute`` a Nova virt driver: a hypervisor in memory, of a chosen size
``volume``  a Cinder volume driver: a storage pool in memory, of a chosen size
``network`` a Neutron ML2 mechanism driver that binds every port at once
``serve``   runs one OpenStack WSGI API in one process
``fork``    runs several programs after importing once what they share
"""
