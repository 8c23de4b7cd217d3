"""A driver that adds to an execution's properties what its result depends on besides its inputs.

The properties are part of the cache's key: a component whose driver finds something else runs again. Kubeflow runs no
drivers; executors there see that the property is missing, and find it themselves.
"""

from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types_utils
from tfx.orchestration.portable import base_driver as run_driver
from tfx.proto.orchestration import driver_output_pb2


class FindingDriver(base_driver.BaseDriver, run_driver.BaseDriver):
    """Base of the drivers; a subclass has `find`."""

    # TFX asks for the first base class when a component is made, and calls the second one in a run.
    def __init__(self, mlmd_connection):
        base_driver.BaseDriver.__init__(self, mlmd_connection)
        run_driver.BaseDriver.__init__(self, mlmd_connection)

    def find(self, input_dict, properties):
        """Finds what the result depends on.

        Args:
            input_dict: dict of input to a list of artifacts.
            properties: dict, the execution's properties.

        Returns:
            A dict of further properties.
        """
        raise NotImplementedError

    def run(self, execution_info):
        """Returns the execution's properties with what was found."""
        properties = dict(execution_info.exec_properties)
        properties |= self.find(getattr(execution_info, "input_dict", None) or {}, properties)
        result = driver_output_pb2.DriverOutput()
        for key, value in properties.items():
            if value is not None:
                data_types_utils.set_metadata_value(result.exec_properties[key], value)
        return result
