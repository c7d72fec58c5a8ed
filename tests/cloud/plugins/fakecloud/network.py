# SPDX-License-Identifier: Apache-2.0
"""A Neutron ML2 mechanism driver for tests: it binds every port at once.

There is no agent and no switch, so nothing has to be waited for: a port is ACTIVE
as soon as Nova names the host it is on, on any host, whatever its network's type.
"""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api


class FakeCloudMechanismDriver(api.MechanismDriver):
    """Binds every port."""

    def initialize(self):
        """There is nothing to set up."""

    @property
    def connectivity(self):
        """What Neutron tells about such ports."""
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        """Bind; the type is 'ovs' because Nova takes that, nobody plugs anything."""
        segment = context.segments_to_bind[0]
        context.set_binding(
            segment[api.ID],
            portbindings.VIF_TYPE_OVS,
            {portbindings.CAP_PORT_FILTER: False},
            constants.PORT_STATUS_ACTIVE,
        )

    def update_port_postcommit(self, context):
        """Say what the agent of the new host would say after a migration."""
        bound = context.vif_type == portbindings.VIF_TYPE_OVS
        if bound and context.status == constants.PORT_STATUS_DOWN:
            directory.get_plugin().update_port_status(
                context.plugin_context,
                context.current["id"],
                constants.PORT_STATUS_ACTIVE,
                context.host,
            )
