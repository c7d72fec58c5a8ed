# SPDX-License-Identifier: Apache-2.0
"""The configuration files of the OpenStack services.

The choices that are not plain defaults, and why, stand beside them. Options
that make a service notice things sooner are there because tests wait for it.
"""

from __future__ import annotations

import configparser
import pathlib
import shutil
from collections.abc import Mapping

from tests.cloud.process import ADDRESS
from tests.cloud.settings import DATA, ETC, HOME, PASSWORD, REGION, VENV, Settings, credentials

Options = dict[str, object]
Sections = dict[str, Options]

BACKENDS = {"fast": 1000, "slow": 2000}  # of Cinder: GiB


def write_ini(path: pathlib.Path, sections: Mapping[str, Options]) -> None:
    """Write a configuration file."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    for section, options in sections.items():
        if section != "DEFAULT":
            parser.add_section(section)
        for key, value in options.items():
            parser.set(section, key, str(value))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        parser.write(file)


def main_file(service: str) -> pathlib.Path:
    """The configuration file of a service."""
    return ETC / service / ("glance-api.conf" if service == "glance" else f"{service}.conf")


class Configuration:
    """Writes all configuration of one cloud.

    Args:
        settings: with the ports.
        database: URL of the database server, no database named.
        transport: oslo.messaging's URL.
    """

    def __init__(self, settings: Settings, database: str, transport: str) -> None:
        self.settings = settings
        self.database = database
        self.transport = transport

    def database_url(self, name: str) -> str:
        """The URL of a service's database."""
        return f"{self.database}/cloud_{name}?charset=utf8"

    def login(self, user: str) -> Options:
        """How a service logs in to Keystone as itself."""
        return {
            "auth_type": "password",
            **credentials(self.settings, user),
            "region_name": REGION,
        }

    def common(self, service: str) -> Sections:
        """The sections that every service has."""
        state = DATA / service
        (state / "locks").mkdir(parents=True, exist_ok=True)
        return {
            "DEFAULT": {
                "debug": self.settings.flag("debug"),
                "use_stderr": True,
                "transport_url": self.transport,
                # A reply that RabbitMQ lost when it was stopped is waited for no longer.
                "rpc_response_timeout": 20,
                "state_path": state,
            },
            "database": {
                "connection": self.database_url(service),
                "max_pool_size": 5,
                "max_overflow": 50,
            },
            "keystone_authtoken": {
                **self.login(service),
                "www_authenticate_uri": self.settings.auth_url,
                "service_token_roles": "service",
                "service_token_roles_required": True,
            },
            "oslo_concurrency": {"lock_path": state / "locks"},
            # The test clouds' databases need not hear who uses them.
            "oslo_messaging_notifications": {"driver": "noop"},
        }

    def paste(self, service: str, name: str) -> pathlib.Path:
        """A file that comes with the package, copied to the service's folder."""
        target = ETC / service / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(VENV / "etc" / service / name, target)
        return target

    def write(self) -> None:
        """Write everything."""
        self.keystone()
        self.placement()
        self.glance()
        self.neutron()
        self.nova()
        self.computes()
        if self.settings.cinder:
            self.cinder()
        self.openrc()

    def keystone(self) -> None:
        """Keystone: cheap password hashes, a cache in its own memory."""
        conf = self.common("keystone")
        del conf["keystone_authtoken"]
        keys = DATA / "keystone"
        conf["token"] = {"provider": "fernet", "expiration": 12 * 3600}
        conf["identity"] = {"password_hash_rounds": 4}  # every client logs in anew
        conf["fernet_tokens"] = {"key_repository": keys / "fernet-keys"}
        conf["credential"] = {"key_repository": keys / "credential-keys"}
        conf["cache"] = {"enabled": True, "backend": "dogpile.cache.memory"}
        write_ini(main_file("keystone"), conf)

    def placement(self) -> None:
        """Placement."""
        conf = self.common("placement")
        conf["placement_database"] = conf.pop("database")
        write_ini(main_file("placement"), conf)

    def glance(self) -> None:
        """Glance: one store in a folder."""
        conf = self.common("glance")
        conf["DEFAULT"]["enabled_backends"] = "files:file"
        conf["glance_store"] = {"default_backend": "files"}
        for store in ("files", "os_glance_staging_store", "os_glance_tasks_store"):
            path = DATA / "glance" / store
            path.mkdir(parents=True, exist_ok=True)
            conf[store] = {"filesystem_store_datadir": path}
        conf["paste_deploy"] = {
            "flavor": "keystone",
            "config_file": self.paste("glance", "glance-api-paste.ini"),
        }
        write_ini(main_file("glance"), conf)

    def neutron(self) -> None:
        """Neutron: the API alone, ports bound at once by our mechanism driver."""
        conf = self.common("neutron")
        conf["DEFAULT"].update(
            {
                "core_plugin": "ml2",
                "service_plugins": "",
                "api_paste_config": self.paste("neutron", "api-paste.ini"),
                "dhcp_agent_notification": False,
            }
        )
        conf["nova"] = self.login("nova")
        conf["placement"] = self.login("placement")
        conf["ml2"] = {
            "type_drivers": "flat,vxlan",
            "tenant_network_types": "vxlan",
            "mechanism_drivers": "fakecloud",
            "extension_drivers": "port_security",
        }
        conf["ml2_type_vxlan"] = {"vni_ranges": "1:1000"}
        conf["ml2_type_flat"] = {"flat_networks": "*"}
        conf["quotas"] = {"quota_network": -1, "quota_subnet": -1, "quota_port": -1}
        write_ini(main_file("neutron"), conf)

    def nova(self) -> None:
        """Nova: what its API, conductor, scheduler and computes share."""
        conf = self.common("nova")
        conf["DEFAULT"].update(self._nova_default())
        conf["api_database"] = {
            **conf["database"],
            "connection": self.database_url("nova_api"),
        }
        conf["oslo_messaging_notifications"] = {
            "driver": "messagingv2",
            "transport_url": self.transport,
        }
        conf["notifications"] = {
            "notification_format": "versioned",
            "notify_on_state_change": "vm_and_task_state",
        }
        conf["wsgi"] = {"api_paste_config": self.paste("nova", "api-paste.ini")}
        conf["api"] = {"auth_strategy": "keystone"}
        conf["quota"] = {"instances": -1, "cores": -1, "ram": -1}
        conf["conductor"] = {"workers": 1}
        # The scheduler finds new computes by itself, sparing a nova-manage (6 CPU s).
        conf["scheduler"] = {"workers": 1, "discover_hosts_in_cells_interval": 3}
        conf["filter_scheduler"] = {"shuffle_best_same_weighed_hosts": True}
        conf["vnc"] = {"enabled": False}
        conf["service_user"] = {**self.login("nova"), "send_service_user_token": True}
        conf["placement"] = self.login("placement")
        conf["glance"] = {"region_name": REGION, "valid_interfaces": "public"}
        conf["neutron"] = {**self.login("neutron"), "valid_interfaces": "public"}
        conf["cinder"] = {
            **self.login("cinder"),
            "catalog_info": "block-storage::publicURL",
            "os_region_name": REGION,
        }
        write_ini(main_file("nova"), conf)

    @staticmethod
    def _nova_default() -> Options:
        return {
            "host": "controller",
            "my_ip": ADDRESS,
            "compute_driver": "fakecloud.FakeCloudDriver",
            "initial_cpu_allocation_ratio": 4.0,
            "initial_ram_allocation_ratio": 1.0,
            "initial_disk_allocation_ratio": 1.0,
            # A compute that is gone is noticed within 20 s.
            "report_interval": 5,
            "service_down_time": 20,
            "update_resources_interval": 20,
            # Periodic tasks begin at once, not up to a minute later.
            "periodic_fuzzy_delay": 0,
            # Several guests may leave one host at a time.
            "max_concurrent_live_migrations": 4,
            # Ports are bound at once here: there is nothing to wait for.
            "vif_plugging_is_fatal": False,
            "vif_plugging_timeout": 0,
            # Nor is there work that a stopping service would have to finish.
            "graceful_shutdown_timeout": 4,
            "manager_shutdown_timeout": 1,
        }

    def computes(self) -> None:
        """The few options in which the computes differ.

        Each has a state_path of its own because its node identity is kept there.
        """
        for host in self.settings.hosts():
            state = DATA / "computes" / host
            for folder in ("instances", "locks"):
                (state / folder).mkdir(parents=True, exist_ok=True)
            sections: Sections = {
                "DEFAULT": {
                    "host": host,
                    "state_path": state,
                    "instances_path": state / "instances",
                },
                "oslo_concurrency": {"lock_path": state / "locks"},
                "fakecloud": {
                    "vcpus": self.settings.host_vcpus,
                    "memory_mb": self.settings.host_memory_mb,
                    "local_gb": self.settings.host_disk_gb,
                    "live_migration_seconds": self.settings.live_migration_seconds,
                },
            }
            write_ini(ETC / "nova" / f"{host}.conf", sections)

    def cinder(self) -> None:
        """Cinder: two pools, fast and slow."""
        conf = self.common("cinder")
        conf["DEFAULT"].update(
            {
                "host": "storage",
                "my_ip": ADDRESS,
                "auth_strategy": "keystone",
                "api_paste_config": self.paste("cinder", "api-paste.ini"),
                "resource_query_filters_file": self.paste("cinder", "resource_filters.json"),
                "enabled_backends": ",".join(BACKENDS),
                "default_volume_type": next(iter(BACKENDS)),
                "backend_stats_polling_interval": 10,
                "quota_volumes": -1,
                "quota_snapshots": -1,
                "quota_gigabytes": -1,
                "graceful_shutdown_timeout": 5,
            }
        )
        conf["oslo_messaging_notifications"] = {
            "driver": "messagingv2",
            "transport_url": self.transport,
        }
        conf["coordination"] = {"backend_url": f"file://{DATA / 'cinder'}"}
        conf["service_user"] = {**self.login("cinder"), "send_service_user_token": True}
        conf["nova"] = {**self.login("nova"), "interface": "public"}
        for backend, size_gb in BACKENDS.items():
            conf[backend] = {
                "volume_driver": "fakecloud.volume.FakeCloudVolumeDriver",
                "volume_backend_name": backend,
                "fakecloud_capacity_gb": size_gb,
            }
        write_ini(main_file("cinder"), conf)

    def openrc(self) -> None:
        """What an operator sources to be the admin of this cloud."""
        variables = {
            **{
                f"OS_{key.upper()}": value
                for key, value in credentials(self.settings, "admin", "admin").items()
            },
            "OS_PASSWORD": PASSWORD,
            "OS_REGION_NAME": REGION,
            "OS_IDENTITY_API_VERSION": "3",
            "OS_AUTH_TYPE": "password",
            "WATCHER_CLOUD_TRANSPORT_URL": self.transport,
        }
        lines = [f"export {key}='{value}'\n" for key, value in variables.items()]
        (HOME / "openrc").write_text("".join(lines), encoding="utf-8")
